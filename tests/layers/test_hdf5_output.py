import h5py
import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import FileError, ModelError, ShapeError


def layer(path, x=(2, 3), label=(2,)):
    return OneLayer(
        f'type: "HDF5Output" bottom: "x" bottom: "label" hdf5_output_param {{ file_name: "{path}" }}', x=x, label=label
    )


def test_worked_example_every_pass_adds_its_records(tmp_path):
    path = tmp_path / "out.h5"
    path.write_text("an older file")
    found = layer(path)
    found.net.blobs["x"].data[...] = [[1, 2, 3], [4, 5, 6]]
    found.net.blobs["label"].data[...] = [7, 8]
    found.net.forward()
    with h5py.File(path) as file:
        assert file["data"].shape == (2, 3, 1, 1)
        assert file["label"][()].ravel().tolist() == [7, 8]
    found.net.blobs["x"].data[...] = 0
    found.net.forward()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["data"][:, :, 0, 0], [[1, 2, 3], [4, 5, 6], [0, 0, 0], [0, 0, 0]])
        assert file["data"].dtype == np.float32
        assert file["label"][()].ravel().tolist() == [7, 8, 7, 8]
    found.net.blobs["x"].diff[...] = 5
    found.net.backward()


def test_refused(tmp_path):
    with pytest.raises(ModelError, match="file_name"):
        layer("")
    with pytest.raises(FileError, match="missing or not writable"):
        layer(tmp_path / "none" / "out.h5")
    with pytest.raises(ShapeError, match="same batch size"):
        layer(tmp_path / "out.h5", label=(3,)).net.forward()
    assert not list(tmp_path.iterdir())


def test_a_file_that_goes_away_is_named(tmp_path):
    found = layer(tmp_path / "out.h5")
    found.net.forward()
    (tmp_path / "out.h5").unlink()
    with pytest.raises(FileError, match="moved or changed"):
        found.net.forward()
    found = layer(tmp_path / "out.h5")
    found.net.forward()
    found.net.blobs["x"].reshape(2, 4)
    with pytest.raises(ShapeError, match=r"holds data of \(3, 1, 1\)"):
        found.net.forward()

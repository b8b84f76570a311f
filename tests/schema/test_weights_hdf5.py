"""Weights in HDF5: nested names, shared parameters, and files that are not what they seem."""

import h5py
import numpy as np
import pytest
import recorded

from caffelike.errors import FileError, WeightsError
from caffelike.schema import LayerParameter
from caffelike.schema.stored import LayerArrays
from caffelike.schema.weights import read_hdf5_weights, read_weights, write_hdf5_weights

A = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path, *layers):
    write_hdf5_weights(path, [LayerArrays(LayerParameter(name=name), blobs) for name, blobs in layers])


def test_round_trip(tmp_path):
    path = tmp_path / "w.caffemodel.h5"
    write(path, ("conv", [(A, None), (A[0], None)]), ("relu", []), ("fire2/expand/3x3", [(A * 2, None)]))
    file = read_weights(path)
    assert file.generation == "HDF5"
    assert [(layer.name, [blob.shape for blob in layer.blobs]) for layer in file.layers] == [
        ("conv", [(2, 3), (3,)]),
        ("fire2/expand/3x3", [(2, 3)]),
        ("relu", []),
    ]
    assert np.array_equal(file.layers[1].blobs[0].data, A * 2)
    target = np.zeros(6, np.float32)
    file.layers[0].blobs[0].copy_into(target)
    assert np.array_equal(target, A.ravel())
    assert file.layers[0].blobs[0].diff is None


def test_diffs_and_shared_parameters(tmp_path):
    write(tmp_path / "w.h5", ("a", [(A, A * 3)]), ("b", [None, (A, A)]))
    layers = read_hdf5_weights(tmp_path / "w.h5").layers
    assert np.array_equal(layers[0].blobs[0].diff, A * 3)
    assert layers[1].blobs[0] is None
    assert layers[1].blobs[1].has_diff


def test_layer_inside_another_layers_name(tmp_path):
    write(tmp_path / "w.h5", ("a", [(A, None)]), ("a/b", [(A, None)]))
    assert [layer.name for layer in read_hdf5_weights(tmp_path / "w.h5").layers] == ["a", "a/b"]


def test_other_number_types_are_converted(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data/a/0"] = A.astype(np.float64)
        file["data/a/1"] = np.array([1, 2], np.int64)
    blobs = read_hdf5_weights(tmp_path / "w.h5").layers[0].blobs
    assert blobs[0].data.dtype == blobs[1].data.dtype == np.float32
    assert np.array_equal(blobs[0].data, A)


def test_names_hdf5_cannot_hold(tmp_path):
    with pytest.raises(WeightsError, match="layers with parameters need names, each its own"):
        write(tmp_path / "w.h5", ("a", [(A, None)]), ("a", [(A, None)]))
    assert not (tmp_path / "w.h5").exists()


def test_caffes_own_file(tmp_path):
    with h5py.File(recorded.GOLDEN / "solvers.h5") as cases:
        (tmp_path / "w").write_bytes(bytes(cases["sgd_snapshot_h5/file/caffemodel.h5"][()]))
    layers = {layer.name: layer.blobs for layer in read_weights(tmp_path / "w").layers}
    assert sorted(layers) == ["conv", "data", "ip1", "ip2", "loss", "pool", "relu", "th"]
    assert [blob.shape for blob in layers["conv"]] == [(4, 2, 3, 3), (4,)]
    with h5py.File(tmp_path / "w") as file:
        assert np.array_equal(layers["ip2"][0].data, file["data/ip2/0"][()])


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "huge", "text", "no data", "state"])
def test_refused(tmp_path, kind):
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        layer = file.create_group("data/a")
        if kind == "external link":
            layer["0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        elif kind == "soft link":
            layer["0"] = h5py.SoftLink("/data")
        elif kind == "external storage":
            (tmp_path / "raw").write_bytes(b"\0" * 24)
            layer.create_dataset("0", (6,), "f4", external=[(str(tmp_path / "raw"), 0, 24)])
        elif kind == "huge":
            layer.create_dataset("0", (10**6, 10**6), "f4", chunks=(1000, 1000))
        elif kind == "text":
            layer["0"] = "text"
        else:
            del file["data"]
            if kind == "state":
                file["iter"] = [3]
    expected = {
        "external link": "is a link",
        "soft link": "is a link",
        "external storage": "kept in another file",
        "huge": "declares 1000000000000 values but only 0 bytes",
        "text": "no array of numbers",
        "no data": "data is missing; it holds nothing",
        "state": "it is a solver state",
    }
    with pytest.raises(WeightsError, match=expected[kind]):
        read_hdf5_weights(path)


def test_damaged_and_missing(tmp_path):
    write(tmp_path / "w.h5", ("a", [(A, None)]))
    whole = (tmp_path / "w.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"cut\.h5"):
        read_hdf5_weights(tmp_path / "cut.h5")
    (tmp_path / "not.h5").write_bytes(b"\x0a\x01n")
    with pytest.raises(WeightsError, match="no HDF5 file"):
        read_hdf5_weights(tmp_path / "not.h5")
    with pytest.raises(FileError, match="Could not open file"):
        read_hdf5_weights(tmp_path / "none.h5")

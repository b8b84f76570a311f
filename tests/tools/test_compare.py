import json

import h5py
import numpy as np
import pytest

import caffelike
from caffelike.cli import main
from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.tools.compare import compare, read_blobs, record

NET = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
layer { name: "q" type: "Power" bottom: "y" top: "z" power_param { shift: 1 } }
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return caffelike.Net(path, caffelike.TEST)


def test_a_net_agrees_with_its_own_record(net, tmp_path):
    assert record(net, tmp_path / "blobs.npz") == ["x", "y", "z"]
    blobs = read_blobs(tmp_path / "blobs.npz")
    assert blobs["x"].std() > 0
    found = compare(net, blobs)
    assert [(blob.blob, blob.layer, blob.largest, blob.error) for blob in found] == [
        ("y", "p", 0, ""),
        ("z", "q", 0, ""),
    ]


def test_differences_are_measured(net):
    x = np.ones((2, 3), np.float32)
    y, z = compare(net, {"x": x, "y": 2 * x, "z": np.where(np.arange(6).reshape(2, 3) == 4, 4.0, 3.0)})
    assert (y.largest, y.relative) == (0, 0)
    assert (z.largest, z.relative) == (1, 0.25)
    y, z = compare(net, {"x": x, "y": np.full((2, 3), np.nan), "z": np.ones(5)})
    assert y.error == "6 values are NaN or infinite on one side only"
    assert z.error == "recorded is 5"


def test_the_batch_follows_the_record(net):
    assert compare(net, {"x": np.zeros((5, 3)), "z": np.ones((5, 3))})[0].shape == (5, 3)


def test_what_cannot_be_compared(net, tmp_path):
    with pytest.raises(CaffelikeError, match="input 'x' is not recorded; there is y"):
        compare(net, {"y": np.ones(1)})
    with pytest.raises(CaffelikeError, match="No recorded blob"):
        compare(net, {"x": np.ones((2, 3))})
    with pytest.raises(FileError, match="Could not open"):
        read_blobs(tmp_path / "none")
    (tmp_path / "text").write_text("x")
    with pytest.raises(DataError, match=r"neither .npz nor HDF5"):
        read_blobs(tmp_path / "text")


def test_command(net, tmp_path, capsys):
    path = tmp_path / "net.prototxt"
    with h5py.File(tmp_path / "blobs.h5", "w") as file:
        file["x"], file["y"] = np.ones((2, 3)), np.full((2, 3), 2.5)
    weights = tmp_path / "w.caffemodel"
    net.save(weights)
    assert main(["compare", str(path), str(weights), str(tmp_path / "blobs.h5")]) == 1
    assert capsys.readouterr().out.endswith("The first that differs is y (layer p).\n")
    assert main(["compare", str(path), str(weights), str(tmp_path / "blobs.h5"), "--tolerance", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["relative"] == pytest.approx(0.2)
    inputs = ["--record", str(tmp_path / "mine.npz"), "--inputs", str(tmp_path / "blobs.h5")]
    assert main(["compare", str(path), str(weights), *inputs]) == 0
    assert read_blobs(tmp_path / "mine.npz")["z"].tolist() == np.full((2, 3), 3.0).tolist()
    assert main(["compare", str(path)]) == 1

import os

import h5py
import numpy as np
import pytest

import caffelike
from caffelike.data import datum, write_lmdb
from caffelike.data.lmdb import LMDB
from caffelike.errors import CaffelikeError, FileError, ModelError
from caffelike.tools import extract_features

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 3 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 2 weight_filler { type: "xavier" } } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "silence" type: "Silence" bottom: "fc" bottom: "label" }
"""


@pytest.fixture
def truth(tmp_path, monkeypatch):
    """Blob values of two batches; the working folder has db, net.prototxt and w.caffemodel."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4), np.uint8)
    write_lmdb("db", zip(pixels, range(6), strict=True))
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffelike.Net("net.prototxt", caffelike.TEST)
    net.save("w.caffemodel")
    found = {name: [] for name in ("conv", "fc", "label")}
    for _ in range(2):
        net.forward()
        for name, batches in found.items():
            batches.append(net.blobs[name].data.copy())
    net.close()
    return {name: np.concatenate(batches) for name, batches in found.items()}


def test_records(truth, caplog):
    assert extract_features("w.caffemodel", "net.prototxt", ["conv", "fc", "label"], ["a", "b", "c"], 2) == 6
    for path, name in (("a", "conv"), ("b", "fc"), ("c", "label")):
        source = LMDB(path)
        keys = []
        for i, (key, value) in enumerate(source.records()):
            keys.append(bytes(key))
            shape = [*truth[name].shape[1:], 1, 1, 1][:3]
            assert (datum.parse(value).pixels() == truth[name][i].reshape(shape)).all()
        source.close()
        assert keys == [b"%010d" % i for i in range(6)]
    assert "Extracted features of 6 query images for feature blob conv" in caplog.messages
    assert "Successfully extracted the features!" in caplog.messages


def test_files(truth):
    extract_features("w.caffemodel", "net.prototxt", ["conv", "fc"], ["a.h5", "b.h5"], 2, "hdf5")
    with h5py.File("b.h5") as file:
        assert (file["fc"][()] == truth["fc"]).all()
    extract_features("w.caffemodel", "net.prototxt", ["conv"], ["a.npy"], 2, "npy")
    assert (np.load("a.npy") == truth["conv"]).all()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"blobs": ["fc", "nope"]}, ModelError, "Unknown feature blob name nope in the network"),
        ({"outputs": ["a"]}, CaffelikeError, "must be equal: there are 2 blobs"),
        ({"kind": "csv"}, CaffelikeError, "Unknown db type 'csv'; choose lmdb, leveldb, hdf5, npy"),
        ({"batches": 0}, CaffelikeError, "at least 1"),
        ({"outputs": ["new", "db"]}, FileError, "db exists already"),
        ({"outputs": ["new.npy", "net.prototxt"], "kind": "npy"}, FileError, r"net\.prototxt exists already"),
    ],
)
def test_all_or_nothing(truth, changes, error, message):
    before = sorted(os.listdir())
    given = {"blobs": ["fc", "conv"], "outputs": ["a", "b"], "batches": 1, "kind": "lmdb"} | changes
    with pytest.raises(error, match=message):
        extract_features("w.caffemodel", "net.prototxt", **given)
    assert sorted(os.listdir()) == before

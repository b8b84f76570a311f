"""Each record once, whatever the batch size."""

import h5py
import numpy as np
import pytest

import caffelike
from caffelike.data import write_lmdb
from caffelike.errors import CaffelikeError
from caffelike.tools.score import batches, every_record

DATA = 'layer { name: "d" type: "Data" top: "x" data_param { source: "db" backend: LMDB batch_size: %d %s } }'
SUM = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 1 weight_filler { type: "constant" value: 2 } } }"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with the records 0 to 9."""
    monkeypatch.chdir(tmp_path)
    write_lmdb("db", [(np.full((1, 1, 1), i, np.uint8), 0) for i in range(10)])
    return tmp_path


def seen(text, extra=""):
    """(values, weights) of all passes over a net whose records are numbers."""
    with open("net.prototxt", "w") as file:
        file.write(text + SUM + extra)
    net = caffelike.Net("net.prototxt", caffelike.TEST)
    net.params["ip"][0].data[...] = 2
    passes = every_record(net, "net.prototxt")
    values, weights = [], []
    for one, weight in passes:
        one.forward()
        values += (one.blobs["y"].data.ravel() / 2).tolist()
        weights.append(weight)
    assert (len(weights), sum(weights)) == (passes.count, passes.records)
    net.close()
    return values, weights


@pytest.mark.parametrize(("batch", "weights"), [(1, [1] * 10), (3, [3, 3, 3, 1]), (5, [5, 5]), (10, [10]), (64, [10])])
def test_each_record_once(batch, weights):
    assert seen(DATA % (batch, "")) == (list(range(10)), weights)


def test_shuffled_ones_too():
    values, _ = seen(DATA % (4, "shuffle: true"))
    assert sorted(values) == list(range(10)) != values


def test_hdf5_files(folder):
    for name, rows in (("a.h5", 4), ("b.h5", 3)):
        with h5py.File(name, "w") as file:
            file["x"] = np.arange(rows, dtype=np.float32)[:, None]
    (folder / "list").write_text("a.h5 b.h5")
    text = 'layer { name: "d" type: "HDF5Data" top: "x" hdf5_data_param { source: "list" batch_size: 5 } }'
    assert seen(text) == ([0, 1, 2, 3, 0, 1, 2], [5, 2])


def test_batches_are_as_many_as_wanted():
    with open("net.prototxt", "w") as file:
        file.write(DATA % (4, ""))
    net = caffelike.Net("net.prototxt", caffelike.TEST)
    assert list(batches(net, 3)) == [(net, 1)] * 3
    net.close()


def test_data_that_do_not_go_together():
    other = 'layer { name: "e" type: "Data" top: "z" data_param { source: "db" backend: LMDB batch_size: 2 } }'
    with pytest.raises(CaffelikeError, match=r"'d': 10 records in batches of 4; layer 'e': 10 records in batches of 2"):
        seen(DATA % (4, ""), other)
    with pytest.raises(CaffelikeError, match="needs data whose number is known"):
        seen('layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 2 dim: 1 } } }')

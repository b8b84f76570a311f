import itertools

import h5py
import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data.shard import set_shard
from caffelike.errors import DataError, FileError, ModelError

ROWS = {"a": range(5), "b": range(5, 8), "c": range(8, 9)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in ROWS.items():
        with h5py.File(f"{name}.h5", "w") as file:
            file["x"] = np.array([[[n], [n + 0.5]] for n in rows])
            file["y"] = np.array(rows, np.int16)
            file["text"] = np.array([b"a"])
            file["one"] = 3.0
            file["few"] = np.zeros(2)
            file["none"] = np.zeros((0, 2))
    (tmp_path / "list.txt").write_text("a.h5 b.h5\n\nc.h5")


def layer(param='source: "list.txt" batch_size: 4', tops='top: "x" top: "y"', more=""):
    return OneLayer(f'type: "HDF5Data" {tops} hdf5_data_param {{ {param} }} {more}')


def rows(found, passes):
    out = []
    for _ in range(passes):
        x, y = found.forward()
        np.testing.assert_array_equal(x[:, :, 0], np.stack([y, y + 0.5], 1))
        out += [int(n) for n in y]
    return out


def test_worked_example_rows_of_all_files_in_order(folder):
    found = layer()
    assert [found.net.blobs[name].shape for name in "xy"] == [(4, 2, 1), (4,)]
    assert rows(found, 5) == [*range(9), *range(9), 0, 1]
    assert found.layer.batch_keys == ["b.h5 row 2", "c.h5 row 0", "a.h5 row 0", "a.h5 row 1"]


def test_a_batch_may_hold_several_passes(folder):
    assert rows(layer('source: "list.txt" batch_size: 20'), 1) == [*range(9), *range(9), 0, 1]


def test_shuffled_anew_in_every_pass_whole_files_after_each_other(folder):
    order = rows(layer('source: "list.txt" batch_size: 9 shuffle: true'), 40)
    passes = [order[i : i + 9] for i in range(0, 360, 9)]
    assert all(sorted(one) == list(range(9)) for one in passes)
    assert len({tuple(one) for one in passes}) > 30
    for one in passes:
        files = ["abc"[(n > 4) + (n > 7)] for n in one]
        assert sum(a != b for a, b in itertools.pairwise(files)) == 2


@pytest.mark.parametrize("shuffle", ["true", "false"])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 7])
def test_going_on(folder, after, shuffle):
    text = f'source: "list.txt" batch_size: 4 shuffle: {shuffle}'
    first, second = layer(text), layer(text)
    rows(first, after)
    second.layer.restore(first.layer.state())
    assert rows(second, 6) == rows(first, 6)


@pytest.mark.parametrize(
    ("param", "tops", "more", "error", "words"),
    [
        ('source: "list.txt" batch_size: 4', 'top: "x"', "transform_param { }", ModelError, "does not transform data"),
        ('source: "list.txt"', 'top: "x"', "", ModelError, "batch_size"),
        ("batch_size: 1", 'top: "x"', "", ModelError, "source"),
        ('source: "none" batch_size: 1', 'top: "x"', "", FileError, "list of HDF5 files none"),
        ('source: "empty" batch_size: 1', 'top: "x"', "", DataError, "at least 1 HDF5 filename"),
        ('source: "wrong" batch_size: 1', 'top: "x"', "", FileError, r"HDF5 file d\.h5"),
        ('source: "garbage" batch_size: 1', 'top: "x"', "", DataError, "garbage cannot be read as HDF5"),
        ('source: "list.txt" batch_size: 1', 'top: "z"', "", DataError, r"no data set 'z' \(it has: few, none, one"),
        ('source: "list.txt" batch_size: 1', 'top: "text"', "", DataError, "floats or integers"),
        ('source: "list.txt" batch_size: 1', 'top: "one"', "", DataError, "at least 1 axis"),
        ('source: "list.txt" batch_size: 1', 'top: "none"', "", DataError, "no rows"),
        ('source: "list.txt" batch_size: 1', 'top: "x" top: "few"', "", DataError, "different numbers of rows"),
    ],
)
def test_refused(folder, param, tops, more, error, words, tmp_path):
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "wrong").write_text("d.h5")
    (tmp_path / "garbage").write_text("garbage")
    with pytest.raises(error, match=words):
        layer(param, tops, more)


def test_rows_of_another_shape_are_named(folder):
    with h5py.File("b.h5", "a") as file:
        del file["x"]
        file["x"] = np.zeros((3, 7))
    found = layer()
    found.forward()
    with pytest.raises(DataError, match=r"b\.h5: its rows are \(7,\)"):
        found.forward()


@pytest.mark.parametrize("shuffle", ["", "shuffle: true"])
@pytest.mark.parametrize("size", [2, 3, 13])
def test_shares_are_disjoint_and_complete(folder, shuffle, size):
    caffelike.set_random_seed(5)
    whole = rows(layer(f'source: "list.txt" batch_size: {4 * size} {shuffle}'), 5)
    shares = []
    for rank in range(size):
        caffelike.set_random_seed(5)
        set_shard(rank, size)
        try:
            found = layer(f'source: "list.txt" batch_size: 4 {shuffle}')
        finally:
            set_shard(0, 1)
        shares.append(rows(found, 3))
        state = found.layer.state()
        rest = rows(found, 2)
        shares[-1] += rest
        found.layer.restore(state)
        assert rows(found, 2) == rest
    assert np.array(shares).T.ravel().tolist() == whole

import contextlib
import os
import sys

import pytest

from caffelike.data.lmdb import LMDB
from caffelike.data.writing import create
from caffelike.errors import DataError, FileError


def test_any_keys_in_any_order(tmp_path):
    with create(tmp_path / "db") as database:
        for key in (b"b", b"a", b"c"):
            database.put(key, key * 2)
        assert not (tmp_path / "db").exists()
    source = LMDB(str(tmp_path / "db"))
    assert [(bytes(k), bytes(v)) for k, v in source.records()] == [(b"a", b"aa"), (b"b", b"bb"), (b"c", b"cc")]
    source.close()


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_all_or_nothing(tmp_path, backend):
    if backend == "leveldb":
        pytest.importorskip("plyvel")
    with contextlib.suppress(KeyError), create(tmp_path / "db", backend) as database:
        database.put(b"a", b"1")
        raise KeyError
    assert os.listdir(tmp_path) == []
    with create(tmp_path / "db", backend) as database:
        database.put(b"a", b"1")
    assert os.listdir(tmp_path) == ["db"]
    with pytest.raises(FileError, match="db exists already"), create(tmp_path / "db", backend):
        pass


def test_leveldb_records(tmp_path):
    pytest.importorskip("plyvel")
    from caffelike.data.leveldb import LevelDB

    with create(tmp_path / "db", "leveldb") as database:
        for i in range(1500):
            database.put(b"%08d" % i, b"x")
    source = LevelDB(str(tmp_path / "db"))
    assert [bytes(key) for key, _ in source.records()] == [b"%08d" % i for i in range(1500)]
    source.close()


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(DataError, match=r"pip install 'caffelike\[leveldb\]'"), create(tmp_path / "db", "leveldb"):
        pass
    with pytest.raises(DataError, match="Unknown db backend 'hdf5'; choose lmdb or leveldb"), create(tmp_path, "hdf5"):
        pass
    with pytest.raises(FileError, match="Make the folder"), create(tmp_path / "none" / "db"):
        pass
    assert os.listdir(tmp_path) == []

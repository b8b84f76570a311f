import sys

import numpy as np
import pytest

from caffelike.data import datum
from caffelike.data.leveldb import LevelDB
from caffelike.data.source import kind_of, open_source
from caffelike.errors import DataError


@pytest.fixture
def path(tmp_path):
    plyvel = pytest.importorskip("plyvel")
    with plyvel.DB(str(tmp_path / "db"), create_if_missing=True) as db:
        for i in range(5):
            db.put(b"%08d" % i, datum.to_bytes(np.full((1, 2, 2), i, np.uint8), i))
    return str(tmp_path / "db")


def test_records(path):
    source = LevelDB(path)
    assert [datum.parse(value).label for _, value in source.records()] == [0, 1, 2, 3, 4]
    assert [key for key, _ in source.records(b"00000003")] == [b"00000004"]
    other = LevelDB(path)
    source.close()
    assert len(list(other.records())) == 5
    other.close()


def test_the_backend_is_looked_at(path):
    assert kind_of(path) == "LEVELDB"
    notes = []
    source = open_source(path, "LEVELDB", False, notes.append)
    assert isinstance(source, LevelDB)
    assert not notes
    source.close()
    with pytest.raises(DataError, match="Write backend: LEVELDB"):
        open_source(path, "LMDB", True, notes.append)


def test_what_is_no_leveldb(path, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="cannot be read as a LevelDB"):
        LevelDB(str(tmp_path / "other"))


def test_without_plyvel_the_pip_line_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(DataError, match=r"pip install 'caffelike\[leveldb\]'"):
        LevelDB(str(tmp_path))

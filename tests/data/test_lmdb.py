import os
import shutil

import lmdb
import numpy as np
import pytest

from caffelike.data import datum, write_lmdb
from caffelike.data.lmdb import LMDB
from caffelike.errors import DataError, FileError


def records(count, side=4):
    return [(np.full((1, side, side), i, np.uint8), i % 10) for i in range(count)]


@pytest.fixture
def path(tmp_path):
    write_lmdb(tmp_path / "db", records(25))
    return str(tmp_path / "db")


def test_records_come_in_the_order_of_keys(path):
    source = LMDB(path)
    found = [(bytes(key), datum.parse(value).label) for key, value in source.records()]
    assert found == [(b"%08d" % i, i % 10) for i in range(25)]
    source.close()


def test_reading_goes_on_after_a_key_even_if_it_is_gone(path):
    source = LMDB(path)
    assert [bytes(key) for key, _ in source.records(b"00000022")] == [b"00000023", b"00000024"]
    assert [bytes(key) for key, _ in source.records(b"00000022x")] == [b"00000023", b"00000024"]
    assert list(source.records(b"00000024")) == []
    source.close()


def test_one_handle_serves_the_whole_process(path):
    first, second = LMDB(path), LMDB(os.path.join(path, "..", "db"))
    assert first.handle is second.handle
    first.close()
    first.close()
    assert len(list(second.records())) == 25
    second.close()
    third = LMDB(path)
    assert len(list(third.records())) == 25
    third.close()


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be removed there")
def test_a_data_base_made_anew_is_another_one(path):
    old = LMDB(path)
    shutil.rmtree(path)
    write_lmdb(path, records(3))
    new = LMDB(path)
    assert (len(list(old.records())), len(list(new.records()))) == (25, 3)
    old.close()
    assert len(list(new.records())) == 3
    new.close()


def test_a_single_file_can_be_read(path, tmp_path):
    os.rename(os.path.join(path, "data.mdb"), tmp_path / "alone.mdb")
    source = LMDB(str(tmp_path / "alone.mdb"))
    assert len(list(source.records())) == 25
    source.close()


def test_large_data_outgrow_the_first_map(tmp_path, monkeypatch):
    monkeypatch.setattr("caffelike.data.writing._FIRST_MAP", 1 << 16)
    monkeypatch.setattr("caffelike.data.writing._RECORDS_PER_COMMIT", 7)
    assert write_lmdb(tmp_path / "db", records(30, side=100)) == 30
    source = LMDB(str(tmp_path / "db"))
    assert [datum.parse(value).pixels()[0, 0, 0] for _, value in source.records()] == list(range(30))
    source.close()


def test_nothing_is_overwritten_and_nothing_is_left_behind(path, tmp_path):
    with pytest.raises(FileError, match="exists already"):
        write_lmdb(path, records(1))

    def failing():
        yield from records(3)
        raise KeyError("no more")

    with pytest.raises(KeyError):
        write_lmdb(tmp_path / "other", failing())
    assert sorted(os.listdir(tmp_path)) == ["db"]
    with pytest.raises(FileError, match="Make the folder"):
        write_lmdb(tmp_path / "missing" / "db", records(1))


@pytest.mark.skipif(os.name == "nt", reason="rights of files")
def test_a_data_set_has_the_rights_of_any_new_folder(path, tmp_path):
    (tmp_path / "folder").mkdir()
    assert os.stat(path).st_mode == os.stat(tmp_path / "folder").st_mode


def test_missing_empty_and_garbage(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        LMDB(str(tmp_path / "db"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"no file data\.mdb"):
        LMDB(str(tmp_path / "empty"))
    for length in (0, 100, 9000):
        (tmp_path / "empty" / "data.mdb").write_bytes(np.random.default_rng(1).bytes(length))
        with pytest.raises((DataError, FileError), match="LMDB"):
            LMDB(str(tmp_path / "empty"))
    write_lmdb(tmp_path / "none", [])
    source = LMDB(str(tmp_path / "none"))
    with pytest.raises(DataError, match="holds no records"):
        source.first()
    source.close()


def test_a_truncated_file_is_refused_at_any_length(tmp_path):
    write_lmdb(tmp_path / "db", records(40, side=80))
    file = tmp_path / "db" / "data.mdb"
    whole = file.read_bytes()
    for length in range(8192, len(whole) - 4096, 24576):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="truncated"):
            LMDB(str(tmp_path / "db"))


def test_missing_free_pages_at_the_end_are_no_truncation(tmp_path):
    path = str(tmp_path / "db")
    with lmdb.open(path, map_size=1 << 24) as env:
        with env.begin(write=True) as transaction:
            for i in range(10):
                transaction.put(b"%08d" % i, bytes(20000))
        with env.begin(write=True) as transaction:
            for i in range(5, 10):
                transaction.delete(b"%08d" % i)
    source = LMDB(path)
    last = max(i for i in range(10)) and source.handle.info()["last_pgno"]
    source.close()
    file = os.path.join(path, "data.mdb")
    page = 4096
    with lmdb.open(path, readonly=True, lock=False) as env:
        page = env.stat()["psize"]
    kept = [length for length in range((last + 1) * page, 2 * page, -page) if _readable(path, file, length)]
    assert kept
    assert min(kept) < (last + 1) * page


def _readable(path, file, length):
    os.truncate(file, length)
    try:
        source = LMDB(path)
    except DataError:
        return False
    assert len([bytes(value) for _, value in source.records()]) == 5
    source.close()
    return True


def test_a_data_base_that_is_open_elsewhere_is_explained(path):
    with lmdb.open(path, readonly=True, lock=False), pytest.raises(DataError, match="close it there first"):
        LMDB(path)

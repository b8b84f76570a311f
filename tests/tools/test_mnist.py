import gzip
import struct

import numpy as np
import pytest

from caffelike.data import datum
from caffelike.data.lmdb import LMDB
from caffelike.errors import DataError, FileError
from caffelike.tools import convert_mnist_data, convert_mnist_siamese_data, read_idx

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
IMAGES = struct.pack(">4I", 2051, *PIXELS.shape) + PIXELS.tobytes()
LABELS = struct.pack(">2I", 2049, 5) + bytes([7, 0, 9, 3, 1])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_records(tmp_path, pack):
    (tmp_path / "images").write_bytes(pack(IMAGES))
    (tmp_path / "labels").write_bytes(pack(LABELS))
    assert convert_mnist_data(tmp_path / "images", tmp_path / "labels", tmp_path / "db") == 5
    source = LMDB(str(tmp_path / "db"))
    found = {bytes(key): datum.parse(bytes(value)) for key, value in source.records()}
    source.close()
    assert list(found) == [b"%08d" % i for i in range(5)]
    assert [r.label for r in found.values()] == [7, 0, 9, 3, 1]
    assert (np.stack([r.pixels()[0] for r in found.values()]) == PIXELS).all()


def test_pairs(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    (tmp_path / "labels").write_bytes(struct.pack(">2I", 2049, 5) + bytes([1, 1, 0, 1, 0]))
    assert convert_mnist_siamese_data(tmp_path / "images", tmp_path / "labels", tmp_path / "db") == 5
    source = LMDB(str(tmp_path / "db"))
    for _, value in source.records():
        record = datum.parse(bytes(value))
        one, two = (int(np.flatnonzero((half == PIXELS).all((1, 2)))[0]) for half in record.pixels())
        assert record.label == ((one in (2, 4)) == (two in (2, 4)))
    source.close()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Incorrect file magic 0"),
        (b"\x89PNG....", "Incorrect file magic"),
        (IMAGES[:-1], "holds 59 bytes behind its head, which promises 5x3x4"),
        (LABELS[:6], "promises"),
        (gzip.compress(IMAGES, mtime=0)[:-9], "cannot be unpacked"),
    ],
)
def test_damaged_files(tmp_path, data, message):
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "f")


def test_files_that_do_not_belong_together(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    (tmp_path / "labels").write_bytes(struct.pack(">2I", 2049, 2) + b"ab")
    with pytest.raises(DataError, match=r"holds 5 images, but .* 2 labels"):
        convert_mnist_data(tmp_path / "images", tmp_path / "labels", tmp_path / "db")
    with pytest.raises(DataError, match="images comes first"):
        convert_mnist_data(tmp_path / "labels", tmp_path / "images", tmp_path / "db")
    with pytest.raises(FileError, match="Unable to open file"):
        convert_mnist_data(tmp_path / "none", tmp_path / "labels", tmp_path / "db")
    assert not (tmp_path / "db").exists()

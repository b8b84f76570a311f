import gzip

import numpy as np
import pytest

from caffelike.data import datum
from caffelike.data.lmdb import LMDB
from caffelike.errors import DataError, FileError
from caffelike.tools import convert_cifar_data


def batch(count, seed):
    records = np.random.default_rng(seed).integers(0, 256, (count, 3073), np.uint8)
    records[:, 0] %= 10
    return records


def test_batches_one_after_the_other(tmp_path):
    train = [batch(3, 0), batch(2, 1)]
    (tmp_path / "data_batch_1.bin").write_bytes(train[0].tobytes())
    (tmp_path / "data_batch_2.bin.gz").write_bytes(gzip.compress(train[1].tobytes()))
    (tmp_path / "test_batch.bin").write_bytes(batch(4, 2).tobytes())
    (tmp_path / "batches.meta.txt").write_text("airplane\n")
    assert convert_cifar_data(tmp_path, tmp_path) == {"cifar10_train_lmdb": 5, "cifar10_test_lmdb": 4}
    source = LMDB(str(tmp_path / "cifar10_train_lmdb"))
    found = {bytes(key): datum.parse(bytes(value)) for key, value in source.records()}
    source.close()
    assert list(found) == [b"%05d" % i for i in range(5)]
    every = np.concatenate(train)
    assert [r.label for r in found.values()] == every[:, 0].tolist()
    assert (np.stack([r.pixels() for r in found.values()]) == every[:, 1:].reshape(-1, 3, 32, 32)).all()


def test_what_is_no_cifar(tmp_path):
    with pytest.raises(FileError, match=r"Unable to open training file: .* has no data_batch_"):
        convert_cifar_data(tmp_path, tmp_path)
    (tmp_path / "data_batch_1.bin").write_bytes(b"x" * 3074)
    with pytest.raises(DataError, match="no multiple of 3073"):
        convert_cifar_data(tmp_path, tmp_path)

"""CIFAR-10's binary batches into data bases, as Caffe's convert_cifar_data does."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from caffelike import log
from caffelike.data import datum, writing
from caffelike.errors import DataError, FileError
from caffelike.files import make_folder
from caffelike.tools.mnist import read_bytes

_SIDE, _RECORD = 32, 1 + 3 * 32 * 32  # a label, and red, green, blue planes


def convert_cifar_data(
    input_folder: str | os.PathLike,
    output_folder: str | os.PathLike,
    backend: str = "lmdb",
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, int]:
    """Write `cifar10_train_<backend>` and `cifar10_test_<backend>` into a folder; their numbers of records by name.

    output_folder: made if it is missing.
    input_folder: holds data_batch_1.bin to data_batch_5.bin and test_batch.bin, gzipped or not; fewer batches, or
    shorter ones, are taken as they are. The folder is the one that the archive cifar-10-binary.tar.gz unpacks to.
    Keys are 00000, 00001, ... tick(done, total): called after each image. Raises FileError, DataError.
    """
    folder = Path(input_folder)
    made = {}
    for what, pattern, first in (
        ("Training", r"data_batch_\d+\.bin(\.gz)?", "data_batch_1.bin"),
        ("Testing", r"test_batch\w*\.bin(\.gz)?", "test_batch.bin"),
    ):
        log.info("convert_cifar_data.cpp:45", f"Writing {what} data")
        files = sorted(path for path in folder.glob("*") if re.fullmatch(pattern, path.name))
        if not files:
            raise FileError(f"Unable to open {what.lower()} file: {folder} has no {first} (or .gz).")
        images, labels = _read(files, "convert_cifar_data.cpp:57")
        name = f"cifar10_{what.lower().removesuffix('ing')}_{backend}"
        with writing.create(make_folder(output_folder) / name, backend) as database:
            for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
                tick(i, len(labels))
                database.put(b"%05d" % i, datum.to_bytes(image, label))
        made[name] = database.count
    return made


def _read(files: list[Path], source: str) -> tuple[np.ndarray, np.ndarray]:
    """(images (N, 3, 32, 32), labels (N,)) of all files, one after the other."""
    batches = []
    for path in files:
        log.info(source, f"Training Batch {path.name}" if path.name.startswith("data") else f"Test Batch {path.name}")
        data = read_bytes(path)
        if not data or len(data) % _RECORD:
            raise DataError(
                f"{path} has {len(data)} bytes, no multiple of {_RECORD}: it is no whole batch of CIFAR-10."
            )
        batches.append(np.frombuffer(data, np.uint8).reshape(-1, _RECORD))
    records = np.concatenate(batches)
    return records[:, 1:].reshape(-1, 3, _SIDE, _SIDE), records[:, 0]

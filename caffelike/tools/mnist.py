"""MNIST's idx files into a data base, as Caffe's convert_mnist_data and convert_mnist_siamese_data do."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from caffelike import log, rng
from caffelike.data import datum, writing
from caffelike.errors import DataError, FileError

_IMAGES, _LABELS = 2051, 2049


def convert_mnist_data(
    image_file: str | os.PathLike,
    label_file: str | os.PathLike,
    db: str | os.PathLike,
    backend: str = "lmdb",
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Write the images and labels of two idx files (gzipped or not) into a new data base; returns how many.

    Keys are 00000000, 00000001, ... tick(done, total): called after each image. Raises FileError, DataError.
    """
    images, labels = _pair_of_files(image_file, label_file)
    count, rows, columns = images.shape
    log.info("convert_mnist_data.cpp:88", f"A total of {count} items.")
    log.info("convert_mnist_data.cpp:89", f"Rows: {rows} Cols: {columns}")
    with writing.create(db, backend) as database:
        for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            tick(i, count)
            database.put(b"%08d" % i, datum.to_bytes(image[np.newaxis], label))
    log.info("convert_mnist_data.cpp:112", f"Processed {count} files.")
    return count


def _pair_of_files(image_file: str | os.PathLike, label_file: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or labels.ndim != 1:
        given = f"{image_file} and {label_file}"
        raise DataError(f"{given}: an idx file of images comes first, then one of labels.")
    if len(images) != len(labels):
        raise DataError(
            f"{image_file} holds {len(images)} images, but {label_file} {len(labels)} labels: they do not belong"
            " together."
        )
    return images, labels


def convert_mnist_siamese_data(
    image_file: str | os.PathLike,
    label_file: str | os.PathLike,
    db: str | os.PathLike,
    backend: str = "lmdb",
    seed: int = 0,
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Write random pairs of images, as many as there are images, into a new data base; returns how many.

    A record is (2, rows, columns), both images; its label is 1 where they show the same digit, else 0. Which pairs
    depends on the seed. Otherwise as `convert_mnist_data`.
    """
    images, labels = _pair_of_files(image_file, label_file)
    pairs = rng.generator(seed, "convert_mnist_siamese_data").integers(len(images), size=(len(images), 2))
    with writing.create(db, backend) as database:
        for i, pair in enumerate(pairs):
            tick(i, len(pairs))
            same = labels[pair[0]] == labels[pair[1]]
            database.put(b"%08d" % i, datum.to_bytes(images[pair], int(same)))
    log.info("convert_mnist_siamese_data.cpp:112", f"Processed {len(pairs)} pairs.")
    return len(pairs)


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in an idx file, gzipped or not: images uint8 (N, rows, columns), labels uint8 (N,).

    Raises FileError, and DataError when it is no such file or cut short.
    """
    data = read_bytes(path)
    magic = struct.unpack(">I", data[:4])[0] if len(data) >= 4 else 0
    if magic not in (_IMAGES, _LABELS):
        raise DataError(
            f"{path}: Incorrect file magic {magic}; idx files of images have {_IMAGES}, of labels {_LABELS}."
        )
    axes = 3 if magic == _IMAGES else 1
    head = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", data[4:head].ljust(4 * axes, b"\0"))
    if len(data) - head != np.prod(shape, dtype=np.int64):
        raise DataError(
            f"{path} holds {max(0, len(data) - head)} bytes behind its head, which promises"
            f" {'x'.join(map(str, shape))}: it is damaged or was not fetched to its end."
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file, unpacked if it is gzipped. Raises FileError, DataError."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"Unable to open file {os.fspath(path)}: {error.strerror}.") from error
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{os.fspath(path)} cannot be unpacked ({error}): it is damaged or was not fetched whole."
        ) from None

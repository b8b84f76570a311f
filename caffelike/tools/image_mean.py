"""The mean image of a data base, as Caffe's compute_image_mean makes it."""

import os
from collections.abc import Callable

import numpy as np

from caffelike import log
from caffelike.data import datum, images
from caffelike.data.source import kind_of, open_source
from caffelike.errors import DataError
from caffelike.schema.weights import write_mean

_STEP = 10_000  # records between two log lines


def compute_image_mean(
    db: str | os.PathLike,
    output: str | os.PathLike | None = None,
    backend: str = "",
    tick: Callable[[int], object] = lambda done: None,
) -> np.ndarray:
    """The mean of all records, float32 of (channels, height, width); with `output` also written as .binaryproto.

    backend: lmdb or leveldb; by default what the folder is. Sums are in double precision, where Caffe's are in single.
    The mean of each channel is logged, for mean_value. tick(done): called after each record.
    Raises FileError, and DataError for records of different sizes or that cannot be read.
    """
    path = os.fspath(db)
    kind = (backend or kind_of(path) or "lmdb").upper()
    source = open_source(path, kind, bool(backend), lambda text: None)
    try:
        source.first()
        log.info("compute_image_mean.cpp:65", "Starting iteration")
        total: np.ndarray | None = None
        count = 0
        for key, value in source.records():
            pixels = _pixels(path, key, value)
            if total is None:
                total = np.zeros(pixels.shape)
            if pixels.shape != total.shape:
                raise DataError(
                    f"{path}: Incorrect data field size: record '{bytes(key).decode('utf-8', 'replace')}' is"
                    f" {_by(pixels.shape)} (channels x height x width), the first one is {_by(total.shape)}. A mean"
                    " image needs one size: make the data set with -resize_height and -resize_width."
                )
            total += pixels
            count += 1
            tick(count)
            if count % _STEP == 0:
                log.info("compute_image_mean.cpp:91", f"Processed {count} files.")
    finally:
        source.close()
    assert total is not None
    if count % _STEP:
        log.info("compute_image_mean.cpp:98", f"Processed {count} files.")
    mean = (total / count).astype(np.float32)
    if output is not None:
        log.info("compute_image_mean.cpp:105", f"Write to {os.fspath(output)}")
        write_mean(output, mean)
    log.info("compute_image_mean.cpp:111", f"Number of channels: {len(mean)}")
    for channel, value in enumerate(mean.mean((1, 2), dtype=np.float64)):
        log.info("compute_image_mean.cpp:116", f"mean_value channel [{channel}]: {log.number(value)}")
    return mean


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _pixels(path: str, key: object, value: object) -> np.ndarray:
    try:
        record = datum.parse(value)
        if record.encoded:
            return images.decode(record.data or b"", "native").transpose(2, 0, 1)
        return record.pixels()
    except DataError as error:
        name = bytes(key).decode("utf-8", "replace")  # type: ignore[call-overload]
        raise DataError(f"{path}: record '{name}' cannot be used: {error}.") from None

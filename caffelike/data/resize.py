"""Bilinear resizing of uint8 images, equal to the bit to OpenCV 4's cv::resize(INTER_LINEAR).

Half-pixel centres, no antialiasing; weights are rounded to 11 bits and columns are shifted down by 4 bits before
rows are mixed, which is what makes the last bit of the result. Halving both sides exactly is a mean of 2x2 pixels.
"""

from functools import lru_cache

import numpy as np

from caffelike import device
from caffelike.errors import DataError

_ONE = np.float32(2048)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """`image` (h, w) or (h, w, channels) of uint8 in another size; the image itself where it has it already.

    Raises DataError for another dtype or an empty image.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape or height < 1 or width < 1:
        raise DataError(
            f"Cannot resize an image of {image.dtype} and shape {image.shape} to {height}x{width}: it takes uint8 of"
            " (height, width[, channels]) and sizes from 1 up."
        )
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    pixels = image.reshape(rows, columns, -1)
    if (rows, columns) == (2 * height, 2 * width):
        wide = pixels.astype(np.uint16)
        out = (wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2] + np.uint16(2)) >> 2
        return out.astype(np.uint8).reshape(height, width, *image.shape[2:])
    channels = pixels.shape[2]
    lines = np.ascontiguousarray(pixels).reshape(rows, columns * channels)
    out = (device.kernel("resize", "mix") or mix)(
        lines, _taps(columns, width, channels, True), _taps(rows, height, 1, False)
    )
    return out.reshape(height, width, *image.shape[2:])


def resize_nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map of labels (h, w) in another size, each from the nearest, as cv::resize(INTER_NEAREST) chooses it."""
    rows, columns = (
        np.minimum((np.arange(wanted) * (1 / (wanted / size))).astype(np.int64), size - 1)
        for size, wanted in zip(labels.shape, (height, width), strict=True)
    )
    return labels[rows[:, None], columns]


def mix(pixels: np.ndarray, horizontal: tuple[np.ndarray, ...], vertical: tuple[np.ndarray, ...]) -> np.ndarray:
    """Rows of (rows, columns * channels) mixed as the taps of both sides say: (height, width * channels)."""
    left, right, w0, w1 = horizontal
    top, bottom, h0, h1 = vertical
    height, rows = len(top), len(pixels)
    used, place = np.unique(np.concatenate([top, bottom]), return_inverse=True)  # rows that are read at all
    lines = pixels[used] if len(used) < rows else pixels
    mixed = np.multiply(lines.take(left, axis=1), w0, dtype=np.int32)
    mixed += np.multiply(lines.take(right, axis=1), w1, dtype=np.int32)
    mixed >>= 4
    upper, lower = mixed[place[:height]], mixed[place[height:]]
    upper *= h0[:, None]
    lower *= h1[:, None]
    upper >>= 16
    lower >>= 16
    upper += lower
    upper += 2
    upper >>= 2
    return upper.astype(np.uint8)


@lru_cache(64)
def _taps(size: int, wanted: int, channels: int, horizontal: bool) -> tuple[np.ndarray, ...]:
    """(first, second index, first, second weight in 1/2048) for each output element along one side.

    channels: elements at each position, next to each other. Beyond the border OpenCV sets the weight of columns to
    one, but for rows reads the border twice.
    """
    scale = 1.0 / (wanted / size)
    position = ((np.arange(wanted) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    part = position - first.astype(np.float32)
    if horizontal:
        part[(first < 0) | (first >= size - 1)] = 0
    w1 = np.rint(part * _ONE).astype(np.int32)
    w0 = np.rint((np.float32(1) - part) * _ONE).astype(np.int32)
    indices = [
        (np.clip(at, 0, size - 1)[:, None] * channels + np.arange(channels)).ravel() for at in (first, first + 1)
    ]
    return *indices, np.repeat(w0, channels), np.repeat(w1, channels)

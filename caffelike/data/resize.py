"""Resizing of uint8 and float32 images as OpenCV 4's cv::resize does it; INTER_LINEAR is equal to the bit.

INTER_LINEAR: half-pixel centres, no antialiasing. For uint8 weights are rounded to 11 bits and columns are shifted down
by 4 bits before rows are mixed, which is what makes the last bit of the result. Halving both sides exactly is a mean of
2x2 pixels.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from caffelike import device
from caffelike.errors import DataError

_ONE = np.float32(2048)


def resize(image: np.ndarray, height: int, width: int, factor: float | None = None) -> np.ndarray:
    """`image` (h, w) or (h, w, channels) in another size; the image itself where it has it already.

    factor: how much larger a pixel becomes on both sides, where that is given and the size is what it gives, rounded.
    Raises DataError for other dtypes than uint8 and float32, or an empty image.
    """
    if (
        image.dtype not in (np.uint8, np.float32)
        or image.ndim not in (2, 3)
        or 0 in image.shape
        or height < 1
        or width < 1
    ):
        raise DataError(
            f"Cannot resize an image of {image.dtype} and shape {image.shape} to {height}x{width}: it takes uint8 or"
            " float32 of (height, width[, channels]) and sizes from 1 up."
        )
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    pixels = image.reshape(rows, columns, -1)
    scales = tuple(
        1.0 / (wanted / size if factor is None else factor) for size, wanted in ((rows, height), (columns, width))
    )
    if image.dtype == np.float32:
        if factor is None and min(rows, columns) > 1:
            scales = rows / height, columns / width
        return _floats(pixels, height, width, scales).reshape(height, width, *image.shape[2:])
    if scales == (2, 2):
        return _halved(pixels, height, width).reshape(height, width, *image.shape[2:])
    channels = pixels.shape[2]
    lines = np.ascontiguousarray(pixels).reshape(rows, columns * channels)
    out = (device.kernel("resize", "mix") or mix)(
        lines, _fixed(columns, width, channels, True, scales[1]), _fixed(rows, height, 1, False, scales[0])
    )
    return out.reshape(height, width, *image.shape[2:])


def _halved(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, channels): means of 2x2 pixels; of fewer where the image ends inside."""
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    wide = pixels[: 2 * rows, : 2 * columns].astype(np.uint16)
    total = wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]
    mean = ((total + np.uint16(2)) >> 2).astype(np.uint8)
    if (rows, columns) == (height, width):
        return mean
    out = np.zeros((height, width, pixels.shape[2]), np.uint8)
    shown = mean[:height, :width]
    out[: shown.shape[0], : shown.shape[1]] = shown
    for y, x in np.argwhere(np.add.outer(np.arange(height) >= rows, np.arange(width) >= columns)):
        part = pixels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        if part.size:
            out[y, x] = np.rint(part.sum((0, 1), dtype=np.float32) / np.float32(part.shape[0] * part.shape[1]))
    return out


def _floats(pixels: np.ndarray, height: int, width: int, scales: tuple[float, ...]) -> np.ndarray:
    """float32 pixels (rows, columns, channels) in another size, as OpenCV's builds for x86 do with Intel's library.

    Positions are double, weights single precision, and a + (b - a) * w is rounded once. That library leaves images of
    one row or column to OpenCV, whose positions are single precision and whose products are rounded.
    """
    rows, columns, channels = pixels.shape
    if min(rows, columns) > 1:
        along = _stretched(pixels, 1, width, scales[1])
        return _stretched(along, 0, height, scales[0])
    left, right, w0, w1 = _taps(columns, width, channels, True, scales[1])
    top, bottom, h0, h1 = _taps(rows, height, 1, False, scales[0])
    lines = np.ascontiguousarray(pixels).reshape(rows, columns * channels)
    mixed = lines.take(left, axis=1) * w0 + lines.take(right, axis=1) * w1
    return mixed[top] * h0[:, None] + mixed[bottom] * h1[:, None]


def _stretched(pixels: np.ndarray, axis: int, wanted: int, scale: float) -> np.ndarray:
    size = pixels.shape[axis]
    position = (np.arange(wanted) + 0.5) * scale - 0.5
    first = np.floor(position).astype(np.int64)
    part = position - first
    part[(first < 0) | (first >= size - 1)] = 0
    low, high = (pixels.take(np.clip(at, 0, size - 1), axis) for at in (first, first + 1))
    weight = part.astype(np.float32).reshape((-1,) + (1,) * (2 - axis))
    # Wider than double: only so is it one rounding, as a fused multiply-add has.
    wide = (high - low).astype(np.longdouble) * weight
    return (low + wide).astype(np.float32)


def resize_nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map of labels (h, w) in another size, each from the nearest, as cv::resize(INTER_NEAREST) chooses it."""
    rows, columns = (
        np.minimum((np.arange(wanted) * (1 / (wanted / size))).astype(np.int64), size - 1)
        for size, wanted in zip(labels.shape, (height, width), strict=True)
    )
    return labels[rows[:, None], columns]


def resize_cubic(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) in another size, as cv::resize(INTER_CUBIC) makes it; no antialiasing.

    A pixel is mixed of 4x4 around it, by Keys's kernel with a = -0.75. uint8: weights of 1/2048, sums of a row in whole
    numbers, rows mixed in single precision, rounded: OpenCV's but for sums that end at a half, and for builds whose
    Intel library takes this over (one unit off at some pixels). float32: the same weights, not rounded.
    """
    exact = image.dtype == np.uint8
    (left, across), (top, down) = (
        _cubic_taps(size, wanted, exact) for size, wanted in zip(image.shape[1::-1], (width, height), strict=True)
    )
    pixels = image.astype(np.int32 if exact else np.float32)
    rows = sum(pixels[:, left[k]] * across[k][:, None] for k in range(4)).astype(np.float32)
    share = (down * np.float32(2.0**-22 if exact else 1)).astype(np.float32)[:, :, None, None]
    out = rows[top[3]] * share[3]
    for k in (2, 1, 0):
        out = rows[top[k]] * share[k] + out
    return np.clip(np.rint(out), 0, 255).astype(np.uint8) if exact else out


@lru_cache(64)
def _cubic_taps(size: int, wanted: int, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """(indices, weights), each (4, wanted); weights in whole 1/2048, or float32."""
    position = ((np.arange(wanted) + 0.5) * (1.0 / (wanted / size)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    x, a, one = position - first.astype(np.float32), np.float32(-0.75), np.float32(1)
    far, near = x + one, one - x
    weights = [
        ((a * far - 5 * a) * far + 8 * a) * far - 4 * a,
        ((a + 2) * x - (a + 3)) * x * x + one,
        ((a + 2) * near - (a + 3)) * near * near + one,
    ]
    weights.append(one - weights[0] - weights[1] - weights[2])
    table = np.stack(weights)
    return np.clip(first + np.arange(-1, 3)[:, None], 0, size - 1), (
        np.rint(table * _ONE).astype(np.int32) if exact else table
    )


def resize_lanczos(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) in another size, as cv::resize(INTER_LANCZOS4) makes it; no antialiasing.

    A pixel is mixed of 8x8 around it, by sinc(t) sinc(t / 4), the weights of a pixel divided by their sum. uint8:
    weights of 1/2048 and whole numbers to the end. float32: the same weights, not rounded.
    """
    exact = image.dtype == np.uint8
    (left, across), (top, down) = (
        _lanczos_taps(size, wanted, exact) for size, wanted in zip(image.shape[1::-1], (width, height), strict=True)
    )
    pixels = image.astype(np.int32 if exact else np.float32)
    rows = sum(pixels[:, left[k]] * across[k][:, None] for k in range(8))
    out = sum(rows[top[k]] * down[k][:, None, None] for k in range(8))
    return np.clip((out + (1 << 21)) >> 22, 0, 255).astype(np.uint8) if exact else out


@lru_cache(64)
def _lanczos_taps(size: int, wanted: int, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """(indices, weights), each (8, wanted); weights in whole 1/2048, or float32."""
    position = ((np.arange(wanted) + 0.5) * (1.0 / (wanted / size)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    away = position - first.astype(np.float32) - np.arange(-3, 5, dtype=np.float32)[:, None]
    table = (np.sinc(away.astype(np.float64)) * np.sinc(away / 4.0)).astype(np.float32)
    table /= table.sum(axis=0, dtype=np.float32)
    return np.clip(first + np.arange(-3, 5)[:, None], 0, size - 1), (
        np.rint(table * _ONE).astype(np.int32) if exact else table
    )


def resize_area(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (h, w, channels) in another size, as cv::resize(INTER_AREA) makes it.

    No side longer than it was: each pixel is the mean of what it covers, parts of pixels by their share, in single
    precision, rounded for uint8 (one unit off OpenCV's at most, where its sums end at a half). Else bilinear, but
    a pixel is mixed of two only where it covers the border between them.
    """
    rows, columns, channels = image.shape
    exact = image.dtype == np.uint8
    if height <= rows and width <= columns:
        if rows == 2 * height and columns == 2 * width and exact:
            return _halved(image, height, width)
        out = image.astype(np.float32)
        for axis, size, wanted in ((1, columns, width), (0, rows, height)):
            index, weight = _area_taps(size, wanted)
            shares = [one.reshape((-1,) + (1,) * (2 - axis)) for one in weight]
            out = sum(out.take(i, axis) * share for i, share in zip(index, shares, strict=True))
        return np.clip(np.rint(out), 0, 255).astype(np.uint8) if exact else out
    across = columns, width, channels, True, 1 / (width / columns), True
    down = rows, height, 1, False, 1 / (height / rows), True
    lines = np.ascontiguousarray(image).reshape(rows, columns * channels)
    if exact:
        mixed = (device.kernel("resize", "mix") or mix)(lines, _fixed(*across), _fixed(*down))
    else:
        left, right, w0, w1 = _taps(*across)
        top, bottom, h0, h1 = _taps(*down)
        lines = lines.take(left, axis=1) * w0 + lines.take(right, axis=1) * w1
        mixed = lines[top] * h0[:, None] + lines[bottom] * h1[:, None]
    return mixed.reshape(height, width, channels)


@lru_cache(64)
def _area_taps(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """(indices, weights as float32), each (most, wanted): what each of the new pixels covers; weight 0 fills up."""
    scale = size / wanted
    low = np.arange(wanted) * scale
    high = low + scale
    cell = np.minimum(scale, size - low)
    most = int(np.ceil(scale)) + 1
    index = np.floor(low).astype(np.int64) + np.arange(most)[:, None]
    share = np.minimum(index + 1, high) - np.maximum(index, low)
    share[(share <= 1e-3) | (index >= size)] = 0
    return np.minimum(index, size - 1), (share / cell).astype(np.float32)


def resizer(word: str) -> Callable[[np.ndarray, int, int], np.ndarray]:
    """What brings an image (h, w, channels) to another size in OpenCV's mode `word`.

    LINEAR, NEAREST, CUBIC, AREA or LANCZOS4; uint8 or float32.
    """
    if word == "NEAREST":
        return lambda image, *size: np.stack([resize_nearest(plane, *size) for plane in image.transpose(2, 0, 1)], 2)
    return {"LINEAR": resize, "CUBIC": resize_cubic, "AREA": resize_area, "LANCZOS4": resize_lanczos}[word]


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
def _fixed(*arguments: Any) -> tuple[np.ndarray, ...]:
    """`_taps` with weights in 1/2048, as int32."""
    first, second, *weights = _taps(*arguments)
    return first, second, *(np.rint(w * _ONE).astype(np.int32) for w in weights)


def _taps(
    size: int, wanted: int, channels: int, horizontal: bool, scale: float, area: bool = False
) -> tuple[np.ndarray, ...]:
    """(first, second index, first, second weight) for each output element along one side; weights are float32.

    channels: elements at each position, next to each other. Beyond the border OpenCV sets the weight of columns to
    one, but for rows reads the border twice. area: as INTER_AREA has them where it makes images larger.
    """
    if area:
        first = np.floor(np.arange(wanted) * scale).astype(np.int64)
        part = ((np.arange(wanted) + 1) - (first + 1) * (wanted / size)).astype(np.float32)
        part = np.where(part <= 0, np.float32(0), part - np.floor(part))
    else:
        position = ((np.arange(wanted) + 0.5) * scale - 0.5).astype(np.float32)
        first = np.floor(position).astype(np.int64)
        part = position - first.astype(np.float32)
    if horizontal:
        part[(first < 0) | (first >= size - 1)] = 0
    indices = [
        (np.clip(at, 0, size - 1)[:, None] * channels + np.arange(channels)).ravel() for at in (first, first + 1)
    ]
    return *indices, np.repeat(np.float32(1) - part, channels), np.repeat(part, channels)

"""noise_param of SSD's fork: what it does to an image after it was resized, in this order.

decolorize, gauss_blur, hist_eq, clahe, jpeg, erode, posterize, inverse, saltpepper, convert_to_hsv: each where it is
set, always; of several noise_param one is drawn by their `prob`, which says nothing where there is one. Images are
uint8 (height, width, channels), 3 channels being BGR; the numbers are OpenCV 4's to the bit, but for the JPEG codec's.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.data import images
from caffelike.errors import DataError, ModelError

_BLUR = (9, 29, 55, 70, 55, 29, 9)  # 1/256: a Gaussian of 7 pixels, sigma 1.5
_TILES, _CLIP = 8, 4.0  # of CLAHE
_REFUSED = {
    "convert_to_lab": "its fork reads the floats of Lab as if they were bytes",
    **dict.fromkeys(("gaussian_std", "uniform_range", "bias"), "it belongs to happynear's NoiseParameter, a layer's"),
    **dict.fromkeys(("mu", "sigma"), "it belongs to the OpenCL branch's NoiseParameter, a layer's"),
}


def check(several: Sequence[Any], name: str) -> None:
    """Raise ModelError for options that cannot be."""
    if len(several) > 1 and not (all(p.prob >= 0 for p in several) and sum(p.prob for p in several) > 0):
        raise ModelError("of several noise_param, some must have a prob above 0, and none one below.", name)
    for p in several:
        _check(p, name)


def _check(p: Any, name: str) -> None:
    for field, _ in p.ListFields():
        if field.name in _REFUSED:
            raise ModelError(f"noise_param {{ {field.name} }} is not supported: {_REFUSED[field.name]}.", name)
    if p.saltpepper and not p.saltpepper_param.value:
        raise ModelError(
            "noise_param { saltpepper } needs saltpepper_param { value: ... }, one or one a channel.", name
        )
    if p.jpeg > 100:
        raise ModelError(f"noise_param {{ jpeg }} is a quality, 1 .. 100, not {p.jpeg:g}.", name)


def one_of(several: Sequence[Any], generator: np.random.Generator) -> Any:
    """One of several NoiseParameters, each as probable as its prob says; a single one always."""
    if len(several) == 1:
        return several[0]
    weights = np.array([p.prob for p in several], np.float64)
    return several[int(generator.choice(len(several), p=weights / weights.sum()))]


def noisy(image: np.ndarray, p: Any, generator: np.random.Generator) -> np.ndarray:
    """The image with all that a NoiseParameter asks for; what needs colours leaves one without them as it is."""
    coloured = image.shape[2] == 3
    if p.decolorize and coloured:
        image = np.repeat(_gray(image), 3, axis=2)
    if p.gauss_blur:
        image = _blurred(image)
    for wanted, change in ((p.hist_eq, equalized), (p.clahe, clahe)):
        if wanted:
            image = _of_brightness(image, change) if coloured else change(image[:, :, 0])[:, :, None]
    if p.jpeg > 0:
        image = _through_jpeg(image, int(p.jpeg))
    if p.erode:
        image = _eroded(image)
    if p.posterize:
        image = image // 64 * 64 + 32
    if p.inverse:
        image = 255 - image
    if p.saltpepper:
        image = _peppered(image, p.saltpepper_param, generator)
    return _hsv(image) if p.convert_to_hsv and coloured else image


def _gray(image: np.ndarray) -> np.ndarray:
    blue, green, red = np.split(image.astype(np.int32), 3, axis=2)
    return ((3735 * blue + 19235 * green + 9798 * red + (1 << 14)) >> 15).astype(np.uint8)


def _blurred(image: np.ndarray) -> np.ndarray:
    total = image.astype(np.int32)
    for axis in (0, 1):
        edges = [(0, 0)] * 3
        edges[axis] = (3, 3)
        size = image.shape[axis]
        framed = np.pad(total, edges, "reflect" if size > 1 else "edge")
        total = np.zeros_like(total)
        for i, weight in enumerate(_BLUR):
            total += weight * framed.take(range(i, i + size), axis)
    return ((total + (1 << 15)) >> 16).astype(np.uint8)


def _of_brightness(image: np.ndarray, change: Any) -> np.ndarray:
    """A BGR image whose brightness (Y of YCrCb) `change` was applied to."""
    blue, green, red = np.moveaxis(image.astype(np.int32), 2, 0)
    half = 1 << 13
    y = (1868 * blue + 9617 * green + 4899 * red + half) >> 14
    shades = [np.clip((((one - y) * factor + half) >> 14) + 128, 0, 255) - 128
              for one, factor in ((red, 11682), (blue, 9241))]  # fmt: skip
    cr, cb = shades
    y = change(y.astype(np.uint8)).astype(np.int32)
    planes = [
        y + ((29049 * cb + half) >> 14),
        y + ((-5636 * cb - 11698 * cr + half) >> 14),
        y + ((22987 * cr + half) >> 14),
    ]
    return np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)


def equalized(plane: np.ndarray) -> np.ndarray:
    """A plane (height, width) whose values are spread so that each range of them is as frequent as any other."""
    counts = np.bincount(plane.ravel(), minlength=256)
    first = int(np.flatnonzero(counts)[0])
    rest = plane.size - counts[first]
    if not rest:
        return plane
    scale = np.float32(255) / np.float32(rest)
    sums = np.cumsum(counts) - counts[first]
    return np.rint(np.clip(sums, 0, None).astype(np.float32) * scale).astype(np.uint8)[plane]


def clahe(plane: np.ndarray) -> np.ndarray:
    """A plane (height, width) equalized in each of 8x8 tiles, their histograms clipped at 4, mixed between tiles."""
    height, width = plane.shape
    framed = plane
    if height % _TILES or width % _TILES:
        more = [(0, _TILES - size % _TILES) for size in plane.shape]
        framed = np.pad(plane, more, "reflect" if min(plane.shape) > 1 else "edge")
    rows, columns = (size // _TILES for size in framed.shape)
    tables = np.empty((_TILES, _TILES, 256), np.float32)
    for i, j in np.ndindex(_TILES, _TILES):
        tables[i, j] = _table(framed[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns])
    (top, bottom, down), (left, right, across) = (
        _between(size, tile) for size, tile in ((height, rows), (width, columns))
    )
    one = np.float32(1)
    down = down[:, None]
    upper = tables[top[:, None], left, plane] * (one - across) + tables[top[:, None], right, plane] * across
    lower = tables[bottom[:, None], left, plane] * (one - across) + tables[bottom[:, None], right, plane] * across
    return np.rint(upper * (one - down) + lower * down).astype(np.uint8)


def _table(tile: np.ndarray) -> np.ndarray:
    """What becomes of each value in a tile."""
    counts = np.bincount(tile.ravel(), minlength=256)
    limit = max(1, int(_CLIP * tile.size / 256))
    over = int(np.maximum(counts - limit, 0).sum())
    share, left = divmod(over, 256)
    counts = np.minimum(counts, limit) + share
    if left:
        counts[np.arange(left) * max(1, 256 // left)] += 1
    return np.rint(np.cumsum(counts).astype(np.float32) * (np.float32(255) / np.float32(tile.size)))


def _between(size: int, tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row or column the tile before and after it, and the share of the latter."""
    place = np.arange(size, dtype=np.float32) * (np.float32(1) / np.float32(tile)) - np.float32(0.5)
    first = np.floor(place).astype(np.int64)
    share = place - first.astype(np.float32)
    return np.maximum(first, 0), np.minimum(first + 1, _TILES - 1), share


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    if image.shape[2] not in (1, 3):
        raise DataError(f"noise_param {{ jpeg }} takes images of 1 or 3 channels, not of {image.shape[2]}")
    pixels = image[:, :, ::-1] if image.shape[2] == 3 else image[:, :, 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return images.decode(file.getvalue(), "color" if image.shape[2] == 3 else "gray")


def _eroded(image: np.ndarray) -> np.ndarray:
    """Each pixel the least of itself and the four beside it."""
    out = image.copy()
    for mine, its in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
        np.minimum(out[mine], image[its], out=out[mine])
        np.minimum(out[:, mine], image[:, its], out=out[:, mine])
    return out


def _peppered(image: np.ndarray, p: Any, generator: np.random.Generator) -> np.ndarray:
    """A share `fraction` of the pixels, drawn with replacement, get the colour `value`."""
    height, width, channels = image.shape
    if len(p.value) not in (1, channels):
        raise DataError(f"saltpepper_param has {len(p.value)} value(s) for {channels} channel(s): give 1 or {channels}")
    where = generator.integers(height * width, size=int(np.float32(p.fraction) * height * width))
    out = image.copy().reshape(-1, channels)
    out[where] = np.array(p.value).astype(np.uint8)
    return out.reshape(image.shape)


def _hsv(image: np.ndarray) -> np.ndarray:
    """BGR as hue (0 .. 179), saturation and value."""
    blue, green, red = np.moveaxis(image.astype(np.int64), 2, 0)
    value, low = image.max(axis=2).astype(np.int64), image.min(axis=2)
    chroma = value - low
    sixth = np.select([value == red, value == green], [green - blue, blue - red + 2 * chroma], red - green + 4 * chroma)
    half = 1 << 11
    saturation = (chroma * np.rint((255 << 12) / np.maximum(value, 1)).astype(np.int64) + half) >> 12
    hue = (sixth * np.rint((180 << 12) / (6.0 * np.maximum(chroma, 1))).astype(np.int64) + half) >> 12
    hue += np.where(hue < 0, 180, 0)
    return np.stack([hue, saturation, value], axis=2).astype(np.uint8)

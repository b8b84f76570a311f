"""augment_param: random changes of a record's pixels while training, and of the points, boxes and labels in it.

Every number drawn depends on (seed, layer, number of the record) alone. Coordinates are pixels: (x, y) = (0, 0) is
the centre of the first pixel, (width - 1, height - 1) that of the last.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from caffelike import device, rng
from caffelike.errors import ModelError

_LOG_LONGEST = math.log(3.0)  # an erased rectangle is at most three times as long as wide
_GRAY = (0.114, 0.587, 0.299)  # of blue, green, red (ITU-R BT.601)
# From blue, green, red to brightness and two colour axes (YIQ), whose plane a change of hue turns.
_YIQ = np.array([[0.114, 0.587, 0.299], [-0.321, -0.275, 0.596], [0.311, -0.523, 0.212]])


class Frame(NamedTuple):
    """Where the pixels of a record come from: output (x, y) is input `inverse` @ (x, y, 1).

    inverse: a 2x3 matrix, None where nothing moves. height, width: of input and output alike.
    """

    inverse: np.ndarray | None
    height: int
    width: int

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) of (x, y) in the input lie in the output; they may lie outside."""
        points = np.asarray(points, np.float64)
        if self.inverse is None:
            return points.copy()
        return (points - self.inverse[:, 2]) @ np.linalg.inv(self.inverse[:, :2]).T


class Change(NamedTuple):
    """What is done to one record, as `Augmentation.draw` chose it."""

    frame: Frame
    mix: np.ndarray | None  # 3x3 colour matrix (or 1x1, for every channel), None: as they are
    offset: float  # added after `mix`
    contrast: float  # factor of the distance from the mean brightness
    blur: float  # standard deviation in pixels
    noise: float  # standard deviation
    erased: tuple[int, int, int, int] | None  # top, left, height, width


class Augmentation:
    """The options of AugmentParameter, see proto/layers.proto; name and seed key the random numbers."""

    def __init__(self, param: Any, name: str):
        self.param, self.name = param, name
        ranges: tuple[tuple[str, float, float], ...] = (
            ("probability", 0, 1),
            ("rotation", 0, 180),
            ("shift", 0, 1),
            ("contrast", 0, 1),
            ("saturation", 0, 1),
            ("erase", 0, 1),
            ("brightness", 0, math.inf),
            ("blur", 0, math.inf),
            ("noise", 0, math.inf),
            ("hue", 0, 180),
            ("aspect", 1, math.inf),
        )
        for field, low, high in ranges:
            if not low <= getattr(param, field) <= high:
                raise ModelError(
                    f"augment_param {{ {field} }} must be {low} or more"
                    f"{'' if high == math.inf else f' and at most {high}'}, not {getattr(param, field):g}.",
                    name,
                )
        for least, most in (("scale_min", "scale_max"), ("erase_min", "erase_max")):
            if not 0 < getattr(param, least) <= getattr(param, most) or param.erase_max > 1:
                raise ModelError(
                    f"augment_param: {least} ({getattr(param, least):g}) must be above 0 and not above {most}"
                    f" ({getattr(param, most):g}); erase_max is at most 1.",
                    name,
                )
        self._moves = bool(
            param.rotation or param.shift or param.aspect != 1 or (param.scale_min, param.scale_max) != (1, 1)
        )
        self._colours = bool(param.saturation or param.hue)

    def draw(self, seed: int, record: int, shape: tuple[int, ...]) -> tuple[Change | None, np.random.Generator]:
        """The change of a record of (channels, height, width), None: none; and the generator of its noise."""
        p = self.param
        generator = rng.generator(seed, f"{self.name}/augment", record)
        u = generator.random(16)
        if u[0] >= p.probability:
            return None, generator
        channels, height, width = shape
        change = Change(
            Frame(self._inverse(u, height, width), height, width),
            self._mix(u, channels),
            p.brightness * (2 * u[6] - 1),
            1 + p.contrast * (2 * u[7] - 1),
            p.blur * u[8],
            p.noise * u[9],
            self._rectangle(u, height, width) if u[10] < p.erase else None,
        )
        return change, generator

    def _inverse(self, u: np.ndarray, height: int, width: int) -> np.ndarray | None:
        if not self._moves:
            return None
        p = self.param
        angle = math.radians(p.rotation * (2 * u[1] - 1))
        zoom = p.scale_min * (p.scale_max / p.scale_min) ** u[2]
        stretch = math.sqrt(p.aspect ** (2 * u[3] - 1))
        cos, sin = math.cos(angle), math.sin(angle)
        # Forwards: about the middle, stretch and zoom, turn, move.
        linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([zoom * stretch, zoom / stretch])
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        move = np.array([p.shift * width * (2 * u[4] - 1), p.shift * height * (2 * u[5] - 1)])
        back = np.linalg.inv(linear)
        return np.column_stack([back, middle - back @ (middle + move)])

    def _mix(self, u: np.ndarray, channels: int) -> np.ndarray | None:
        if not self._colours or channels != 3:
            return None
        p = self.param
        saturation = 1 + p.saturation * (2 * u[11] - 1)
        gray = np.tile(_GRAY, (3, 1))
        angle = math.radians(p.hue * (2 * u[12] - 1))
        turn = np.eye(3)
        turn[1:, 1:] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        hue = np.linalg.inv(_YIQ) @ turn @ _YIQ
        return hue @ (gray + saturation * (np.eye(3) - gray))

    def _rectangle(self, u: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
        p = self.param
        area = height * width * (p.erase_min + (p.erase_max - p.erase_min) * u[13])
        ratio = math.exp(_LOG_LONGEST * (2 * u[14] - 1))
        rows = min(height, max(1, round(math.sqrt(area * ratio))))
        columns = min(width, max(1, round(math.sqrt(area / ratio))))
        where = int(u[15] * (height - rows + 1) * (width - columns + 1))
        return *divmod(where, width - columns + 1), rows, columns


def apply(pixels: np.ndarray, change: Change, fill: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The changed pixels as a new float32 array of (channels, height, width).

    pixels: uint8 or float32. fill: (channels,), what comes from outside. Values that were uint8 stay in 0 .. 255.
    """
    fill = fill.astype(np.float32)
    if change.frame.inverse is None:
        out = pixels.astype(np.float32)
    else:
        fast = device.kernel("augment", "warp")
        out = (fast or warp)(np.ascontiguousarray(pixels), change.frame.inverse, fill)
    if change.contrast != 1 or change.offset or change.mix is not None:
        out = _colour(out, change)
    if change.blur > 0:
        out = blur(out, change.blur)
    if change.noise > 0:
        out += generator.standard_normal(out.shape, np.float32) * np.float32(change.noise)
    if change.erased:
        top, left, height, width = change.erased
        out[:, top : top + height, left : left + width] = fill[:, None, None]
    return np.clip(out, 0, 255, out=out) if pixels.dtype == np.uint8 else out


def warp(pixels: np.ndarray, inverse: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Bilinear: out[:, y, x] = pixels at `inverse` @ (x, y, 1); what lies outside is `fill`. float32."""
    channels, height, width = pixels.shape
    a = inverse.astype(np.float32)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    sx = a[0, 0] * x + (a[0, 1] * y + a[0, 2])
    sy = a[1, 0] * x + (a[1, 1] * y + a[1, 2])
    # One pixel outside is as good as a thousand, and fits an integer.
    sx, sy = np.clip(sx, -2, width + 1), np.clip(sy, -2, height + 1)
    left, top = np.floor(sx).astype(np.int64), np.floor(sy).astype(np.int64)
    fx, fy = sx - left.astype(np.float32), sy - top.astype(np.float32)

    framed = np.empty((channels, height + 6, width + 6), np.float32)
    framed[...] = fill[:, None, None]
    framed[:, 3 : 3 + height, 3 : 3 + width] = pixels
    at = [framed[:, top + dy, left + dx] for dy in (3, 4) for dx in (3, 4)]
    one = np.float32(1)
    upper = at[0] * (one - fx) + at[1] * fx
    lower = at[2] * (one - fx) + at[3] * fx
    return upper * (one - fy) + lower * fy


def warp_labels(labels: np.ndarray, frame: Frame, fill: float) -> np.ndarray:
    """A map of labels (height, width) moved as the pixels are, to the nearest; what lies outside is `fill`."""
    if frame.inverse is None:
        return labels
    height, width = labels.shape
    x, y = np.arange(width), np.arange(height)[:, None]
    a = frame.inverse
    sx = np.floor(np.clip(a[0, 0] * x + (a[0, 1] * y + a[0, 2]), -2, width + 1) + 0.5).astype(np.int64)
    sy = np.floor(np.clip(a[1, 0] * x + (a[1, 1] * y + a[1, 2]), -2, height + 1) + 0.5).astype(np.int64)
    inside = (sx >= 0) & (sx < width) & (sy >= 0) & (sy < height)
    return np.where(inside, labels[np.clip(sy, 0, height - 1), np.clip(sx, 0, width - 1)], labels.dtype.type(fill))


def _colour(pixels: np.ndarray, change: Change) -> np.ndarray:
    if change.contrast != 1:
        # The mean of all pixels, in whole steps of 1/256: the same however the sum is ordered.
        middle = np.float32(np.rint(pixels.mean(dtype=np.float64) * 256) / 256)
        pixels = (pixels - middle) * np.float32(change.contrast) + middle
    if change.mix is not None:
        m = change.mix.astype(np.float32)
        pixels = np.stack([m[i, 0] * pixels[0] + m[i, 1] * pixels[1] + m[i, 2] * pixels[2] for i in range(3)])
    return pixels + np.float32(change.offset) if change.offset else pixels


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Each channel convolved with a Gaussian of `sigma` pixels, cut at 3 sigma; the border is repeated outwards."""
    radius = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        edges = [(0, 0)] * 3
        edges[axis] = (radius, radius)
        framed = np.pad(pixels, edges, "edge")
        size = pixels.shape[axis]
        pixels = np.zeros_like(pixels)
        for i, weight in enumerate(weights):
            pixels += weight * framed.take(range(i, i + size), axis)
    return pixels

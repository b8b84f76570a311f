"""Records of ChenglongChen's fork: four bytes of label and an encoded picture; and how its pictures are changed."""

import math
from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data import images
from caffelike.data.pillow import Canvas
from caffelike.data.random_size import Piece
from caffelike.data.records import RecordProducer
from caffelike.errors import DataError, ModelError

FIELDS = (
    "multiscale", "contrast_adjustment", "min_scaling_factor", "max_scaling_factor", "angle_interval",
    "max_shearing_ratio", "max_perspective_ratio", "warp_fillval",
)  # fmt: skip
_LABEL = 4  # bytes
_SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)


class CompactProducer(RecordProducer):
    """Makes batches of (data, label) from such records; pictures become gray. Everything else as RecordProducer."""

    def _pixels(self, key: Any, value: Any, canvas: Canvas | None = None) -> tuple[np.ndarray, Any]:
        self._encoded = True
        try:
            if len(value) <= _LABEL:
                raise DataError(f"it has {len(value)} bytes; expected are 4 of the label, and an encoded picture")
            pixels = images.decode(bytes(value[_LABEL:]), "gray", canvas)
        except DataError as error:
            raise self._wrong(bytes(key), error) from None
        label = int.from_bytes(bytes(value[:_LABEL]), "little", signed=True)
        return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1), label


class Corners:
    """One of the corners or the middle while training, else the middle: a cut of crop x crop pixels."""

    def __init__(self, crop: int, name: str, random: bool):
        self._crop, self._name, self._random = crop, name, random

    def least(self, height: int, width: int) -> tuple[int, int]:
        """The size itself: it is cut, not resized."""
        return height, width

    def draw(self, seed: int, record: int, shape: tuple[int, ...]) -> Piece:
        """The cut of record number `record`."""
        rows, columns = (n - self._crop for n in shape[1:])
        places = [(rows // 2, columns // 2), (0, 0), (rows, 0), (0, columns), (rows, columns)]
        which = int(rng.generator(seed, f"{self._name}/corner", record).integers(5)) if self._random else 0
        return Piece(*places[which], self._crop, self._crop, self._crop, self._crop, "LINEAR")


class Warp(NamedTuple):
    """A picture in another contrast, mirrored, cut or padded, and mapped to height x width.

    flips: upside down, left to right. contrast: a factor and what is added, or None. top, left, rows, columns: the
    part, which may reach beyond the picture. inverse: 3x3, where in the part a pixel of the result comes from. fill:
    what lies outside. smooth: bilinear, else the nearest pixel.
    """

    flips: tuple[bool, bool]
    contrast: tuple[float, float] | None
    top: int
    left: int
    rows: int
    columns: int
    inverse: np.ndarray
    fill: float
    smooth: bool
    height: int
    width: int

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """The changed pixels (channels, height, width), uint8."""
        down, right = (-1 if flip else 1 for flip in self.flips)
        values = values[:, ::down, ::right]
        if self.contrast:
            factor, more = self.contrast
            values = np.clip(np.rint(values * np.float32(factor) + np.float32(more)), 0, 255)
        part = np.full((len(values), self.rows + 4, self.columns + 4), self.fill, np.float32)
        top, left = max(0, self.top), max(0, self.left)
        seen = values[:, top : max(0, self.top + self.rows), left : max(0, self.left + self.columns)]
        y, x = top - self.top + 2, left - self.left + 2
        part[:, y : y + seen.shape[1], x : x + seen.shape[2]] = seen
        return np.clip(np.rint(self._mapped(part)), 0, 255).astype(np.uint8)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Pictures of this kind have labels alone."""
        raise NotImplementedError("points are not moved by CompactData's warps.")

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Pictures of this kind have labels alone."""
        raise NotImplementedError("maps of labels are not moved by CompactData's warps.")

    def _mapped(self, part: np.ndarray) -> np.ndarray:
        """Where part has a frame of two pixels."""
        x, y = np.meshgrid(np.arange(self.width), np.arange(self.height))
        where = np.stack([x, y, np.ones_like(x)], axis=-1) @ self.inverse.T
        depth = np.where(where[..., 2] == 0, 1, where[..., 2])
        x, y = (where[..., k] / depth for k in (0, 1))
        if not self.smooth:
            x, y = np.floor(x + 0.5), np.floor(y + 0.5)
        x, y = np.clip(x, -2, self.columns) + 2, np.clip(y, -2, self.rows) + 2
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
        upper = part[:, top, left] * (1 - fx) + part[:, top, left + 1] * fx
        lower = part[:, top + 1, left] * (1 - fx) + part[:, top + 1, left + 1] * fx
        return upper * (1 - fy) + lower * fy


class Warps:
    """The fork's `multiscale`: every picture of every phase is mirrored, scaled, sheared, turned and tilted at random.

    Mirrored along one axis, both or none, a quarter each. contrast_adjustment (false): half of them times 0.8 .. 1.2,
    plus -5 .. 5. Of width and height w and h a part of w / a by h / b, a and b of min_scaling_factor 0.75 ..
    max_scaling_factor 1.5: cut out where it is smaller, amid warp_fillval (255) where it is larger, at any place. It is
    sheared by up to max_shearing_ratio 0.125 along both axes, brought to crop_size x crop_size, turned by an angle of
    360 degrees in steps of angle_interval (1), and tilted: its corners come from as far as max_perspective_ratio 0.125
    away. A fifth of them by the nearest pixel, the others bilinear (the fork: bicubic and Lanczos, too).
    """

    def __init__(self, param: Any, name: str):
        self.param, self._name = param, name
        if not 0 < param.min_scaling_factor <= param.max_scaling_factor or param.angle_interval <= 0:
            raise ModelError(
                "multiscale needs 0 < min_scaling_factor <= max_scaling_factor and angle_interval > 0, but they are"
                f" {param.min_scaling_factor:g}, {param.max_scaling_factor:g} and {param.angle_interval:g}.",
                name,
            )

    def least(self, height: int, width: int) -> tuple[int, int]:
        """It comes to crop_size whatever it was."""
        return self.param.crop_size, self.param.crop_size

    def draw(self, seed: int, record: int, shape: tuple[int, ...]) -> Warp:
        """The change of record number `record`, of (channels, height, width)."""
        p, generator = self.param, rng.generator(seed, f"{self._name}/warp", record)
        u = generator.random(16)
        mode = int(u[0] * 4)
        contrast = None
        if p.contrast_adjustment and u[1] < 0.5:
            contrast = (0.8 + 0.4 * float(u[2]), float(round(10 * float(u[3]) - 5)))
        factors = p.min_scaling_factor + (p.max_scaling_factor - p.min_scaling_factor) * u[4:6]
        rows, columns = (max(1, int(n / f)) for n, f in zip(shape[1:], factors, strict=True))
        top, left = (_place(n, part, float(v)) for n, part, v in zip(shape[1:], (rows, columns), u[6:8], strict=True))
        shear = p.max_shearing_ratio * (2 * u[8:10] - 1)
        angle = p.angle_interval * math.ceil(360 * float(u[10]) / p.angle_interval + 0.5)
        tilt = _SQUARE + p.max_perspective_ratio * (2 * generator.random((4, 2)) - 1)
        side = int(p.crop_size)
        matrix = _tilting(tilt * side, _SQUARE * side) @ _turning(rows, columns, side, shear, angle)
        return Warp(
            (mode in (1, 3), mode in (2, 3)), contrast, top, left, rows, columns, np.linalg.inv(matrix),
            p.warp_fillval, bool(u[11] >= 0.2), side, side,
        )  # fmt: skip


def _place(size: int, part: int, share: float) -> int:
    """Where a part begins: at any place inside, or so that all of the picture is in it."""
    return int(share * (size - part)) if size > part else -int(share * (part - size))


def _turning(rows: int, columns: int, side: int, shear: np.ndarray, angle: float) -> np.ndarray:
    """3x3: sheared, brought to side x side, then turned about the middle."""
    wide, high = columns + int(abs(rows * shear[1])), rows + int(abs(columns * shear[0]))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([side / wide, side / high])
    linear = linear @ np.array([[1, shear[1]], [shear[0], 1]])
    middle = np.full(2, side / 2)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = middle - np.array([[cos, -sin], [sin, cos]]) @ middle
    return matrix


def _tilting(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """3x3: the perspective that brings four points (4, 2) to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1).reshape(3, 3)

"""Interp: images enlarged or reduced by bilinear interpolation, corner pixels on corner pixels."""

from fractions import Fraction
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.registry import register


@register("Interp", param="interp_param")
class Interp(Layer):
    """Bilinear interpolation between the four nearest pixels; the corners of x and y are the same places.

    bottoms: x (N, C, H, W); like, whose height and width y gets, with use_blob_size. tops: y (N, C, out_h, out_w).
    Sizes, of the image after cropping: zoom_factor z: (size - 1) z + 1; shrink_factor s: (size - 1) // s + 1; both:
        first reduced, then enlarged; height and width: these; use_blob_size: true, or a second bottom: its size.
    pad_beg, pad_end (0): not above 0: so many rows and columns of x are left out at its beginning and end.
    Pixel i of y lies at i (size - 1) / (out - 1) of x; at 0 where out is 1. Gradient: the transpose; none to like.
    Errors: ModelError for options that fix no size or more than one, ShapeError for shapes without 4 axes.
    Source: Papandreou's layer in DeepLab's fork of Caffe (Chen et al., ICLR 2015); both factors together: PSPNet's;
        use_blob_size: soeaver's.
    """

    bottoms = ("x", "like?")
    no_gradient = ("like",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Check that one size is asked for."""
        self._like = p.use_blob_size or len(shapes) > 1
        if self._like and len(shapes) < 2:
            raise self.fail("use_blob_size: true needs a second bottom, whose size the top gets.", ModelError)
        self._zoom = int(p.zoom_factor) if p.HasField("zoom_factor") else 1
        self._shrink = int(p.shrink_factor) if p.HasField("shrink_factor") else 1
        self._size = (int(p.height), int(p.width))
        factors = p.HasField("zoom_factor") or p.HasField("shrink_factor")
        if self._like + factors + any(self._size) != 1:
            raise self.fail(
                "needs one of: zoom_factor and shrink_factor, or height and width, or a second bottom.", ModelError
            )
        if self._zoom < 1 or self._shrink < 1 or (any(self._size) and min(self._size) < 1):
            raise self.fail("zoom_factor, shrink_factor, height and width must be at least 1.", ModelError)
        if p.pad_beg > 0 or p.pad_end > 0:
            raise self.fail(
                f"pad_beg ({p.pad_beg}) and pad_end ({p.pad_end}) crop: they must not be above 0.", ModelError
            )
        self.options = {"crop": (-int(p.pad_beg), -int(p.pad_end))}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, out_h, out_w)."""
        for shape in shapes:
            if len(shape) != 4:
                raise self.fail(f"needs bottoms of 4 axes (N, C, H, W), but one is {shape}.")
        shape = shapes[0]
        inside = [n - sum(self.options["crop"]) for n in shape[2:]]
        if min(inside) < 1:
            raise self.fail(f"pad_beg and pad_end leave nothing of {shape}.")
        out = [((n - 1) // self._shrink) * self._zoom + 1 for n in inside]
        if self._like:
            out = list(shapes[1][2:])
        elif any(self._size):
            out = list(self._size)
        return [(*shape[:2], *out)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """Two pixels along each axis, or one where they fall on each other."""
        if index:
            return Sees.NOTHING
        crop = self.options["crop"]
        steps = tuple(Fraction(n - sum(crop) - 1, max(m - 1, 1)) for n, m in zip(bottom[2:], top[2:], strict=True))
        return Reach(tuple(2 - (step.denominator == 1) for step in steps), steps, (crop[0],) * 2)


def forward(x: np.ndarray, y: np.ndarray, crop: tuple[int, int]) -> None:
    """Rows first, then columns."""
    inside = _inside(x, crop)
    if y.size == 0:
        return
    above, below, down = _between(inside.shape[2], y.shape[2], y.dtype)
    left, right, along = _between(inside.shape[3], y.shape[3], y.dtype)
    rows = inside[:, :, above] * (1 - down)[:, None] + inside[:, :, below] * down[:, None]
    y[...] = rows[..., left] * (1 - along) + rows[..., right] * along


def backward(dy: np.ndarray, dx: np.ndarray, crop: tuple[int, int]) -> None:
    """Each pixel of y gives its gradient to the four it came from, by the same shares."""
    dx[...] = 0
    inside = _inside(dx, crop)
    above, below, down = _between(inside.shape[2], dy.shape[2], dy.dtype)
    left, right, along = _between(inside.shape[3], dy.shape[3], dy.dtype)
    rows = np.zeros((*dy.shape[:3], inside.shape[3]), dy.dtype)
    for places, shares in ((left, 1 - along), (right, along)):
        np.add.at(rows, (..., places), dy * shares)  # type: ignore[arg-type]
    for places, shares in ((above, 1 - down), (below, down)):
        np.add.at(inside, (slice(None), slice(None), places), rows * shares[:, None])  # type: ignore[arg-type]


def _inside(image: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    beg, end = crop
    return image[:, :, beg : image.shape[2] - end, beg : image.shape[3] - end]


def _between(size: int, out: int, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `out` places: the pixels before and behind it of `size`, and the share of the latter."""
    step = (size - 1) / (out - 1) if out > 1 else 0.0
    place = np.arange(out) * step
    before = np.minimum(place.astype(np.int64), size - 1)
    return before, np.minimum(before + 1, size - 1), (place - before).astype(dtype)

"""Reorg: the pixels of small squares moved into channels, or back."""

from fractions import Fraction
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.registry import register


@register("Reorg", param="reorg_param")
class Reorg(Layer):
    """y (N, s^2 C, H / s, W / s) from x (N, C, H, W): fewer pixels, more channels.

    Its order is Darknet's, which is not the one that one would expect: the memory of x is read as if it were images
    of the shape (C / s^2, s H, s W); of those, pixel (s i + a, s j + b) of channel c becomes pixel (i, j) of channel
    (s a + b) C / s^2 + c of an image of the shape (C, H, W), whose memory is that of y.
    bottoms: x. tops: y. stride: s, required. reverse (false): y (N, C / s^2, s H, s W) from x (N, C, H, W): pixel
    (i, j) of channel (s a + b) C / s^2 + c becomes pixel (s i + a, s j + b) of channel c, with no such detour.
    Gradient: every number back to its place.
    Errors: ShapeError unless s^2 divides the channels and (but for reverse) s height and width.
    Source: YOLOv2 (Redmon and Farhadi, CVPR 2017); the layer of Intel's and eric612's forks of Caffe, whose CPU
        backward reads a blob that nobody fills.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        if p.stride < 1:
            raise self.fail("needs reorg_param { stride: ... } of at least 1.", ModelError)
        self.options = {"stride": int(p.stride), "reverse": bool(p.reverse)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Smaller images of more channels, or the other way round."""
        (shape,) = shapes
        s = self.options["stride"]
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        n, c, h, w = shape
        if c % (s * s):
            raise self.fail(f"stride {s} needs channels divisible by {s * s}, but the bottom is {shape}.")
        if self.options["reverse"]:
            return [(n, c // (s * s), h * s, w * s)]
        if h % s or w % s:
            raise self.fail(f"stride {s} must divide the height and width of {shape}.")
        return [(n, c * s * s, h // s, w // s)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """Darknet's order mixes far places; in reverse, each pixel becomes a square."""
        step = Fraction(1, self.options["stride"])
        return Reach((1, 1), (step, step), (0, 0)) if self.options["reverse"] else Sees.ALL


def forward(x: np.ndarray, y: np.ndarray, stride: int, reverse: bool) -> None:
    """Read squares, or write them."""
    if reverse:
        _squares(y, x.shape, stride)[...] = _channels(x, x.shape, stride)
    else:
        _channels(y, x.shape, stride)[...] = _squares(x, x.shape, stride)


def backward(dy: np.ndarray, dx: np.ndarray, stride: int, reverse: bool) -> None:
    """The other way round."""
    if reverse:
        _channels(dx, dx.shape, stride)[...] = _squares(dy, dx.shape, stride)
    else:
        _squares(dx, dx.shape, stride)[...] = _channels(dy, dx.shape, stride)


def _squares(array: np.ndarray, shape: Shape, s: int) -> np.ndarray:
    """The memory of (N, C / s^2, s H, s W) as (N, a, b, C / s^2, H, W); shape: (N, C, H, W)."""
    n, c, h, w = shape
    return array.reshape(n, c // (s * s), h, s, w, s).transpose(0, 3, 5, 1, 2, 4)


def _channels(array: np.ndarray, shape: Shape, s: int) -> np.ndarray:
    """The memory of (N, C, H, W) as (N, a, b, C / s^2, H, W)."""
    n, c, h, w = shape
    return array.reshape(n, s, s, c // (s * s), h, w)

"""Upsample: larger images, by repeating pixels or by putting them where a pooling layer took them from."""

from fractions import Fraction
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.layers._unpool import check_mask, put_back, take_out
from caffelike.registry import register


@register("Upsample", param="upsample_param")
class Upsample(Layer):
    """With one bottom every pixel s x s times; with two every value at the place its mask names, 0 elsewhere.

    bottoms: x (N, C, H, W); mask, of the same shape: indices h * out_w + w, Pooling's second top. tops: y.
    One bottom: y (N, C, scale H, scale W). scale: 1.
    Two: y (N, C, upsample_h, upsample_w) where both are given, else (N, C, scale_h H, scale_w W), one less in height
        with pad_out_h (needs scale_h 2), in width with pad_out_w. scale: 2; scale_h and scale_w replace it. Where
        places repeat, the last value stands; each takes its gradient from its place. A mask of -1 (a window without a
        value) puts nothing.
    Gradient: the sum over the repeated pixels; with a mask, what stands at the place; none to the mask.
    Errors: ModelError for options, ShapeError for shapes, DataError for a mask beyond y.
    Source: two bottoms: SegNet's fork of Caffe (Badrinarayanan et al., PAMI 2017), where -1 writes in front of the
        plane; one: MobileNet-YOLO's fork.
    """

    bottoms = ("x", "mask?")
    no_gradient = ("mask",)
    backward_reads = ("mask",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Tell the dialects apart by the number of bottoms."""
        self._size = (int(p.upsample_h), int(p.upsample_w))
        default = 2 if len(shapes) > 1 else 1
        scale = int(p.scale) if p.HasField("scale") else default
        self._scale = (int(p.scale_h), int(p.scale_w)) if p.HasField("scale_h") else (scale, scale)
        self._less = (bool(p.pad_out_h), bool(p.pad_out_w))
        if len(shapes) == 1 and (any(self._size) or p.HasField("scale_h") or p.HasField("scale_w") or any(self._less)):
            raise self.fail(
                "has one bottom and thus takes only scale; for upsample_h, scale_h or pad_out_h add Pooling's mask as"
                " the second bottom.",
                ModelError,
            )
        if bool(p.upsample_h) != bool(p.upsample_w) or p.HasField("scale_h") != p.HasField("scale_w"):
            raise self.fail("upsample_h and upsample_w, and scale_h and scale_w, go together.", ModelError)
        if min(self._scale) < 1:
            raise self.fail("scale must be at least 1.", ModelError)
        if not any(self._size) and any(less and s != 2 for less, s in zip(self._less, self._scale, strict=True)):
            raise self.fail("pad_out_h and pad_out_w need a scale of 2.", ModelError)
        self.options = {"scale": self._scale}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, out_h, out_w)."""
        shape = shapes[0]
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        if len(shapes) > 1 and shapes[1] != shape:
            raise self.fail(f"the mask must be of the bottom's shape {shape}, but it is {shapes[1]}.")
        out = [n * s - less for n, s, less in zip(shape[2:], self._scale, self._less, strict=True)]
        return [(*shape[:2], *(self._size if any(self._size) else out))]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """The pixel repeated; with a mask, one near by whose place depends on the data."""
        if len(self.message.bottom) > 1:
            return Sees.UNKNOWN
        return Reach((1, 1), tuple(Fraction(1, s) for s in self.options["scale"]), (0, 0))


def forward(x: np.ndarray, mask: np.ndarray | None, y: np.ndarray, scale: tuple[int, int]) -> None:
    """Repeat, or put back."""
    if mask is None:
        y[...] = x.repeat(scale[0], axis=2).repeat(scale[1], axis=3)
    else:
        check_mask(mask, y.shape)
        put_back(x, mask, y)


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, scale: tuple[int, int]) -> None:
    """Sum over the repeated pixels, or read at the places."""
    if mask is None:
        n, c, h, w = dx.shape
        dx[...] = dy.reshape(n, c, h, scale[0], w, scale[1]).sum(axis=(3, 5))
    else:
        take_out(dy, mask, dx)

"""Normalize: every position's channels, or every image, brought to length 1 and scaled."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register
from caffelike.schema import FillerParameter

_HAPPYNEAR_EPS = 1e-6


@register("Normalize", param="norm_param")
class Normalize(Layer):
    """y = scale x / sqrt(sum(x^2) + eps), the sum over the channels of a position or over an image.

    bottoms: x (N, C, ...). tops: y, the same shape. params: scale (1,) or (C,); none in happynear's dialect.
    across_spatial true: the sum goes over all of an image. channel_shared true: one scale for all channels.
        scale_filler (constant 1), eps 1e-10. fix_scale: where it stands and is true (ParseNet's fork) the scale is not
        learned.
    happynear's dialect, told by `normalize_param`: over the channels of a position, without scale, eps 1e-6;
        normalize_type L2 only, bp_norm and fix_gradient must be false.
    Gradient: to x and scale. Errors: ShapeError for another number of channels; ModelError for options above.
    Source: Liu et al., "ParseNet", 2015; "SSD", ECCV 2016 (weiliu89's fork); Wang et al., "NormFace" (happynear's).
    """

    params = ("scale?",)
    messages = ("normalize_param",)
    honours = ("fix_scale", "normalize_type")
    backward_reads = ("x", "norm", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options of either dialect and declare the scale."""
        (shape,) = shapes
        if len(shape) < 2:
            raise self.fail(f"needs a bottom of two or more axes (N, C, ...), but it is {shape}.")
        self._channels = shape[1]
        if self.message.HasField("normalize_param"):
            q = self.message.normalize_param
            if q.normalize_type != "L2" or q.bp_norm or q.fix_gradient:
                raise self.fail(
                    "normalize_param: only normalize_type L2 without bp_norm and fix_gradient is known.", ModelError
                )
            self.options = {"across_spatial": False, "eps": _HAPPYNEAR_EPS, "fixed": False}
            return
        filler = p.scale_filler if p.HasField("scale_filler") else FillerParameter(type="constant", value=1)
        self.add_param("scale", (1 if p.channel_shared else shape[1],), filler)
        fixed = p.HasField("fix_scale") and p.fix_scale
        self.options = {"across_spatial": bool(p.across_spatial), "eps": float(p.eps), "fixed": bool(fixed)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `norm` has one length for each image, or each position."""
        (shape,) = shapes
        if len(shape) < 2 or shape[1] != self._channels:
            raise self.fail(f"was set up for {self._channels} channels, but the bottom is {shape}.")
        across = self.options["across_spatial"]
        self.save("norm", (shape[0], 1, *((1,) * len(shape[2:]) if across else shape[2:])))
        return [shape]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """All pixels where the norm is over them."""
        return Sees.ALL if self.options["across_spatial"] else Sees.PIXEL


def forward(
    x: np.ndarray, y: np.ndarray, scale: np.ndarray | None, norm: np.ndarray, across_spatial: bool, eps: float
) -> None:
    """Lengths, quotients, scale."""
    axes = tuple(range(1, x.ndim)) if across_spatial else (1,)
    norm[...] = np.sqrt(np.square(x).sum(axis=axes, keepdims=True) + eps)
    np.divide(x, norm, out=y)
    if scale is not None:
        y *= _spread(scale, x.ndim)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray | None,
    norm: np.ndarray,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    across_spatial: bool,
    fixed: bool,
    beta: float,
) -> None:
    """dx = (g - u sum(g u)) / norm with u = x / norm and g = scale dy; dscale = sum(dy u)."""
    unit = x / norm
    if dscale is not None:
        if not beta:
            dscale[...] = 0
        if not fixed:
            each = (dy * unit).sum(axis=(0, *range(2, x.ndim)))
            dscale += each if dscale.size > 1 else each.sum()
    if dx is None:
        return
    gradient = dy if scale is None else dy * _spread(scale, x.ndim)
    axes = tuple(range(1, x.ndim)) if across_spatial else (1,)
    along = (gradient * unit).sum(axis=axes, keepdims=True)
    np.divide(gradient - unit * along, norm, out=dx)


def _spread(scale: np.ndarray, ndim: int) -> np.ndarray:
    """One number, or one a channel, in a shape that multiplies (N, C, ...)."""
    return scale.reshape(1, -1, *(1,) * (ndim - 2))

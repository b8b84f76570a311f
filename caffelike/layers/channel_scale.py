"""ChannelScale: all channels of a place times that place's factor."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("ChannelScale", param="channel_scale_param")
class ChannelScale(Layer):
    """y[n, c, place] = scale[n, place] * x[n, c, place]: gives a normalised vector a length again.

    bottoms: x (N, C, ...); scale, one number for each item and place, as (N, 1, ...). tops: y, of x's shape.
    do_forward true: false copies x instead. do_backward_feature true, do_backward_scale true: false leaves out
        (with 0) that bottom's gradient. global_scale (with max_global_scale 1000, min_global_scale 0,
        init_global_scale 1), one learned scale in place of the bottom's, is refused.
    Gradient: to x and scale. Errors: ModelError for global_scale, ShapeError for another number of scales.
    Source: happynear's caffe-windows; Wang et al., "NormFace", ACM MM 2017.
    """

    bottoms = ("x", "scale")
    backward_reads = ("x", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read what is passed on, and back."""
        if p.global_scale:
            raise self.fail("global_scale: true is not supported; use a Scale layer.", ModelError)
        self.options = {
            "do_forward": bool(p.do_forward),
            "do_backward_feature": bool(p.do_backward_feature),
            "do_backward_scale": bool(p.do_backward_scale),
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The shape of x."""
        x, scale = shapes
        wanted = (x[0], 1, *x[2:])
        if len(x) < 2 or int(np.prod(scale)) != int(np.prod(wanted)):
            raise self.fail(f"needs one scale for each item and place of {x}, such as {wanted}, but it is {scale}.")
        return [x]


def forward(x: np.ndarray, scale: np.ndarray, y: np.ndarray, do_forward: bool) -> None:
    """One product."""
    if do_forward:
        np.multiply(x, scale.reshape(x.shape[0], 1, *x.shape[2:]), out=y)
    else:
        np.copyto(y, x)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    do_forward: bool,
    do_backward_feature: bool,
    do_backward_scale: bool,
) -> None:
    """dx = scale dy, dscale = sum over channels of x dy."""
    if dx is not None and do_forward and do_backward_feature:
        np.multiply(dy, scale.reshape(x.shape[0], 1, *x.shape[2:]), out=dx)
    elif dx is not None:
        np.copyto(dx, 0 if not do_backward_feature else dy)
    if dscale is not None:
        factor = do_backward_scale and do_forward
        dscale[...] = (x * dy).sum(axis=1, dtype=np.float64).reshape(dscale.shape) if factor else 0

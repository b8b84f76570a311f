"""PReLU: leaky rectified linear units whose slope is learned."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._broadcast import accumulate, gather, spread
from caffelike.registry import register


@register("PReLU", param="prelu_param")
class PReLU(Layer):
    """y = max(x, 0) + slope min(x, 0), with one slope for each channel.

    bottoms: x (N, C, ...). tops: y, the same shape; may be in place (a copy of x is then kept for backward).
    params: slope (C,), or () with channel_shared.
    filler: constant 0.25. channel_shared false.
    Gradient: dy where x > 0, slope dy elsewhere; to slope the sum of dy x over x <= 0.
    Errors: ShapeError for fewer than 2 axes or when C changes after setup.
    Source: He et al., ICCV 2015.
    """

    params = ("slope",)
    inplace = True
    backward_reads = ("x", "slope")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the slopes."""
        if len(shapes[0]) < 2:
            raise self.fail(f"needs a bottom of 2 axes (N, C) or more, but it is {shapes[0]}.")
        self._channels = shapes[0][1]
        shape = () if p.channel_shared else (self._channels,)
        self.add_param("slope", shape, p.filler if p.HasField("filler") else None, value=0.25)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        (shape,) = shapes
        if len(shape) < 2 or (self.blobs[0].shape and shape[1] != self._channels):
            raise self.fail(f"the slopes are for {self._channels} channels, but the bottom is {shape}.")
        return [shape]


def forward(x: np.ndarray, slope: np.ndarray, y: np.ndarray) -> None:
    """Both parts by themselves, then their sum."""
    below = np.minimum(x, 0) * spread(slope, 1, x.ndim)
    np.maximum(x, 0, out=y)
    y += below


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    slope: np.ndarray,
    dx: np.ndarray | None,
    dslope: np.ndarray | None,
    beta: int,
) -> None:
    """The slopes' sum first: dx may be dy's memory."""
    if dslope is not None:
        total = gather(dy * np.minimum(x, 0), 1, 1)
        accumulate(dslope, total if slope.ndim else total.sum(), beta)
    if dx is not None:
        np.multiply(dy, np.where(x > 0, x.dtype.type(1), spread(slope, 1, x.ndim)), out=dx)

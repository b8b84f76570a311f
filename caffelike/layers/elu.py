"""ELU: exponential linear units."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("ELU", param="elu_param")
class ELU(Elementwise):
    """y = x where x > 0, alpha (exp(x) - 1) elsewhere.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    alpha 1.
    Gradient: dy where x > 0, dy (y + alpha) elsewhere. Source: Clevert et al., ICLR 2016.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read alpha; y tells the sign of x unless alpha is negative."""
        self.options = {"alpha": float(p.alpha)}
        self.backward_reads = ("y",) if p.alpha >= 0 else ("x", "y")  # type: ignore[misc]


def forward(x: np.ndarray, y: np.ndarray, alpha: float) -> None:
    """Both parts by themselves, then their sum."""
    below = alpha * (np.exp(np.minimum(x, 0)) - 1)
    np.maximum(x, 0, out=y)
    y += below


def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, alpha: float) -> None:
    """The slope below 0 follows from y."""
    positive = (y if alpha >= 0 else x) > 0
    np.multiply(dy, np.where(positive, y.dtype.type(1), y + alpha), out=dx)

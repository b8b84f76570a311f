"""ELU: exponential linear units."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("ELU", param="elu_param")
class ELU(Elementwise):
    """y = lambda x where x > 0, lambda alpha (exp(x) - 1) elsewhere.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    alpha 1. lambda 1.
    Gradient: lambda dy where x > 0, dy (y + lambda alpha) elsewhere. Errors: ModelError unless lambda is positive.
    Source: Clevert et al., ICLR 2016; lambda (as SELU has it): NVIDIA's fork.
    """

    honours = ("lambda",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read alpha; y tells the sign of x unless alpha is negative."""
        scale = float(getattr(p, "lambda"))
        if scale <= 0:
            raise self.fail(f"lambda is {scale:g}; it must be greater than 0.", ModelError)
        self.options = {"alpha": float(p.alpha), "scale": scale}
        self.backward_reads = ("y",) if p.alpha >= 0 else ("x", "y")  # type: ignore[misc]


def forward(x: np.ndarray, y: np.ndarray, alpha: float, scale: float) -> None:
    """Both parts by themselves, then their sum."""
    below = alpha * (np.exp(np.minimum(x, 0)) - 1)
    np.maximum(x, 0, out=y)
    y += below
    if scale != 1:
        y *= scale


def backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray, dx: np.ndarray, alpha: float, scale: float) -> None:
    """The slope below 0 follows from y."""
    positive = (y if alpha >= 0 else x) > 0
    np.multiply(dy, np.where(positive, y.dtype.type(scale), y + scale * alpha), out=dx)

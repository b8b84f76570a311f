"""Swish: x times its own sigmoid."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Swish", param="swish_param")
class Swish(Elementwise):
    """y = x sigmoid(beta x).

    bottoms: x, any shape. tops: y, the same shape; may be in place (a copy of x is then kept for backward).
    beta 1.
    Gradient: dy (beta y + sigmoid(beta x) (1 - beta y)). Source: Ramachandran et al., 2017.
    """

    backward_reads = ("x",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read beta."""
        self.options = {"beta": float(p.beta)}


def forward(x: np.ndarray, y: np.ndarray, beta: float) -> None:
    """Element by element."""
    np.multiply(x, _sigmoid(x, beta), out=y)


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray, beta: float) -> None:
    """The product rule."""
    gate = _sigmoid(x, beta)
    np.multiply(dy, gate + beta * x * gate * (1 - gate), out=dx)


def _sigmoid(x: np.ndarray, beta: float) -> np.ndarray:
    return 0.5 * np.tanh((0.5 * beta) * x) + 0.5

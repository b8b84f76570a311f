"""SELU: scaled exponential linear units, whose activations keep mean 0 and variance 1."""

import numpy as np

from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


@register("SELU", names=["SeLu", "SeLU", "Selu"])
class SELU(Elementwise):
    """y = 1.0507 x where x > 0, 1.0507 * 1.6733 (exp(x) - 1) elsewhere.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    Gradient: 1.0507 dy where x > 0, dy (y + 1.0507 * 1.6733) elsewhere.
    Source: Klambauer et al., "Self-Normalizing Neural Networks", NIPS 2017; SeLu: soeaver's fork.
    """

    backward_reads = ("y",)


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Both parts by themselves, then their sum."""
    below = ALPHA * np.expm1(np.minimum(x, 0))
    np.maximum(x, 0, out=y)
    y += below
    y *= SCALE


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """The slope below 0 follows from y."""
    np.multiply(dy, np.where(y > 0, y.dtype.type(SCALE), y + y.dtype.type(ALPHA * SCALE)), out=dx)

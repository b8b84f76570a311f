"""BNLL: binomial normal log likelihood, the softplus."""

import numpy as np

from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("BNLL")
class BNLL(Elementwise):
    """y = log(1 + exp(x)), computed so that nothing overflows.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    Gradient: dy / (1 + exp(-x)), found from y. Source: BVLC Caffe's BNLL layer.
    """

    backward_reads = ("y",)


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Element by element."""
    np.logaddexp(x, 0, out=y)


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """1 / (1 + exp(-x)) = 1 - exp(-y)."""
    np.multiply(dy, -np.expm1(-y), out=dx)

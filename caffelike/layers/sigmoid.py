"""Sigmoid: the logistic function."""

import numpy as np

from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Sigmoid", param="sigmoid_param")
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)), computed as tanh(x / 2) / 2 + 1 / 2, which cannot overflow.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    Gradient: dy y (1 - y). Source: BVLC Caffe's Sigmoid layer.
    """

    backward_reads = ("y",)


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """Through the hyperbolic tangent."""
    np.multiply(x, 0.5, out=y)
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5


def backward(dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
    """dx = dy y (1 - y)."""
    np.multiply(dy, y * (1 - y), out=dx)

"""SeLuDropout: dropout that keeps mean and variance of SELU's activations."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.layer import Shape
from caffelike.layers._dropping import Dropping
from caffelike.registry import register


@register("SeLuDropout", param="selu_dropout_param", names=["SELUDropout", "AlphaDropout"])
class SeLuDropout(Dropping):
    """TRAIN: y = a x + b with probability 1 - dropout_ratio, else a * -1.7581 + b. TEST: y = x.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    dropout_ratio 0.5: the probability p of dropping a value. alpha -1.7581: what SELU tends to. With q = 1 - p and d =
        alpha, a = 1 / sqrt(q (1 + p d^2)) and b = -a p d: mean and variance stay 0 and 1.
    Gradient: a dy to the values kept; in TEST dy. Errors: ModelError unless 0 <= dropout_ratio < 1.
    Source: Klambauer et al., "Self-Normalizing Neural Networks", NIPS 2017; the layer: soeaver's fork.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the ratio."""
        self.options = {"ratio": self.ratio(p), "alpha": float(p.alpha)}
        self.drop(self.phase == 0)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    key: np.ndarray | None,
    ratio: float,
    alpha: float,
    train: bool,
) -> None:
    """Keep a value where its uniform random number is at least the ratio."""
    if not train:
        np.copyto(y, x)
        return
    assert key is not None  # the graph gives one to every random layer
    kept = (rng.uniform(key, x.size) >= ratio).reshape(x.shape)
    if mask is not None:
        mask[...] = kept
    a = _scale(ratio, alpha)
    np.multiply(np.where(kept, x, x.dtype.type(alpha)), a, out=y)
    y -= a * ratio * alpha


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, ratio: float, alpha: float) -> None:
    """Scale the gradients of the values kept."""
    if mask is None:
        np.copyto(dx, dy)
        return
    np.multiply(dy, mask, out=dx)
    dx *= _scale(ratio, alpha)


def _scale(ratio: float, alpha: float) -> float:
    return float(((1 - ratio) * (1 + ratio * alpha**2)) ** -0.5)

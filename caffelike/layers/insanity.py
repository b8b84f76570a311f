"""Insanity: leaky ReLU with random slopes."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Insanity", param="insanity_param", names=["RReLU"])
class Insanity(Elementwise):
    """y = x where x > 0, x / u elsewhere; TRAIN: u is uniform in lb .. ub, a new one for each value; TEST: one u.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    lb 5, ub 10. In TEST u = (ub - lb) / (ln|ub| - ln|lb|), for which 1 / u is the mean of 1 / u while training.
    Gradient: dy where x > 0, dy / u elsewhere. Errors: ModelError unless 0 < lb < ub.
    Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolution Network", 2015; happynear's fork.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the bounds; y has the sign of x."""
        low, high = float(p.lb), float(p.ub)
        if not 0 < low < high:
            raise self.fail(f"lb {low:g} and ub {high:g} must be 0 < lb < ub.", ModelError)
        train = self.phase == 0
        self.options = {"low": low, "high": high, "train": train}
        self.random = train  # type: ignore[misc]
        self.backward_reads = ("y", "divisor") if train else ("y",)  # type: ignore[misc]
        if not train:
            self.options["divisor"] = None

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `divisor` is u."""
        if self.options["train"]:
            self.keep("divisor", shapes[0])
        return [shapes[0]]


def forward(
    x: np.ndarray,
    y: np.ndarray,
    divisor: np.ndarray | None,
    key: np.ndarray | None,
    low: float,
    high: float,
    train: bool,
) -> None:
    """Divide what is not positive."""
    u: Any = _mean(low, high)
    if train:
        assert key is not None  # the graph gives one to every random layer
        u = (low + (high - low) * rng.uniform(key, x.size)).reshape(x.shape).astype(x.dtype)
        if divisor is not None:
            divisor[...] = u
    np.copyto(y, np.where(x > 0, x, x / u))


def backward(
    dy: np.ndarray, y: np.ndarray, divisor: np.ndarray | None, dx: np.ndarray, low: float, high: float
) -> None:
    """The same for the gradient."""
    np.copyto(dx, np.where(y > 0, dy, dy / (_mean(low, high) if divisor is None else divisor)))


def _mean(low: float, high: float) -> float:
    return float((high - low) / np.log(high / low))

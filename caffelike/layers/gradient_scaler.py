"""GradientScaler: passes values on and scales gradients, less at the start of training than later."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("GradientScaler", param="gradient_scaler_param")
class GradientScaler(Elementwise):
    """y = x; dx = -c dy (gradient reversal), where c grows from lower_bound to upper_bound during training.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    c = 2 h / (1 + exp(-alpha t)) - h + lower_bound with h = upper_bound - lower_bound and t = pass / max_iter, at most
        1. lower_bound, upper_bound, alpha: as the definition says (0 when it does not); max_iter: 1 or more.
    Gradient: -c dy, which is no derivative of y, on purpose. Errors: ModelError for options.
    A pass is a training pass of this layer: with iter_size there are several an iteration.
    Source: Ganin and Lempitsky, ICML 2015; thuml's transfer-caffe.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the schedule."""
        low, high, alpha, last = (float(getattr(p, n)) for n in ("lower_bound", "upper_bound", "alpha", "max_iter"))
        if low > high or alpha < 0 or last < 1:
            raise self.fail(
                f"lower_bound {low:g} <= upper_bound {high:g}, alpha {alpha:g} >= 0 and max_iter {last:g} >= 1 must"
                " hold.",
                ModelError,
            )
        self._passes = np.zeros(1, np.int64)  # how many training passes there were
        self.options = {"low": low, "high": high, "alpha": alpha, "last": last, "passes": self._passes}
        self.options["train"] = self.phase == 0

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"passes": int(self._passes[0])}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on counting where `state` was taken."""
        self._passes[0] = state["passes"]


def forward(x: np.ndarray, y: np.ndarray, passes: np.ndarray, train: bool) -> None:
    """Copy, and count."""
    np.copyto(y, x)
    passes += train


def backward(
    dy: np.ndarray, passes: np.ndarray, dx: np.ndarray, low: float, high: float, alpha: float, last: float
) -> None:
    """Turn the gradient round."""
    done = min(1.0, float(passes[0] - 1) / last)
    factor = 2 * (high - low) / (1 + np.exp(-alpha * done)) - (high - low) + low
    np.multiply(dy, -factor, out=dx)

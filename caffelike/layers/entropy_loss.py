"""EntropyLoss: how undecided a classifier is, as a loss for items without labels."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register

_SMALLEST = float(np.finfo(np.float32).tiny)


@register("EntropyLoss", param="entropy_param")
class EntropyLoss(Layer):
    """loss = -sum(p log p) / N.

    bottoms: p (N, ...), probabilities, as Softmax gives them. tops: loss, a single number.
    p counts as at least 1.2e-38 where its logarithm is taken. threshold (0), iterations_num (0): when the fork takes
        items of low entropy only, and from which iteration on; refused unless 0 or, for iterations_num, any number
        with threshold 0.
    Gradient: -(log p + 1) / N. Errors: ModelError for a threshold.
    Source: Grandvalet and Bengio, NIPS 2004; Long et al., "Residual Transfer Networks", NIPS 2016 (transfer-caffe).
    """

    bottoms = ("p",)
    tops = ("loss",)
    loss = True
    backward_reads = ("p",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Refuse what is not known well enough."""
        if p.threshold:
            raise self.fail("threshold is not supported: no description of what it does was published.", ModelError)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        return [()]


def forward(p: np.ndarray, loss: np.ndarray) -> None:
    """The mean of the items' entropies."""
    loss[...] = -(p * np.log(np.maximum(p, p.dtype.type(_SMALLEST)))).sum(dtype=np.float64) / max(1, p.shape[0])


def backward(dloss: np.ndarray, p: np.ndarray, dp: np.ndarray) -> None:
    """-(log p + 1) / N."""
    np.log(np.maximum(p, p.dtype.type(_SMALLEST)), out=dp)
    dp += 1
    dp *= -float(dloss) / max(1, p.shape[0])

"""Dropout: drops values at random while training."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise
from caffelike.registry import register


@register("Dropout", param="dropout_param", names=["DROPOUT", "dropout"])
class Dropout(Elementwise):
    """TRAIN: y = x / (1 - dropout_ratio) with probability 1 - dropout_ratio, else 0. TEST: y = x.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    dropout_ratio 0.5: the probability of dropping a value.
    Gradient: to the values kept, times 1 / (1 - dropout_ratio); in TEST dy.
    Errors: ModelError unless 0 <= dropout_ratio < 1.
    Which values are dropped depends on (seed, layer name, pass, position) alone; Caffe's own random stream is not
    reproduced.
    Source: Srivastava et al., JMLR 2014.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the ratio."""
        ratio = float(p.dropout_ratio)
        if not 0 <= ratio < 1:
            raise self.fail(
                f"dropout_ratio is {ratio:g}, the probability of dropping a value; it must be at least 0 and less"
                " than 1.",
                ModelError,
            )
        train = self.phase == 0
        self.options = {"ratio": ratio, "train": train}
        self.random = train  # type: ignore[misc]
        self.backward_reads = ("mask",) if train else ()  # type: ignore[misc]
        if not train:
            self.options["mask"] = None

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `mask` is 1 where a value was kept."""
        if self.options["train"]:
            self.keep("mask", shapes[0], np.uint8)
        return [shapes[0]]


def forward(
    x: np.ndarray, y: np.ndarray, mask: np.ndarray | None, key: np.ndarray | None, ratio: float, train: bool
) -> None:
    """Keep a value where its uniform random number is at least the ratio."""
    if not train:
        np.copyto(y, x)
        return
    assert key is not None  # the graph gives one to every random layer
    kept = (rng.uniform(key, x.size) >= ratio).reshape(x.shape)
    if mask is not None:
        mask[...] = kept
    np.multiply(x, kept, out=y)
    y *= 1 / (1 - ratio)


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, ratio: float, train: bool) -> None:
    """Scale the gradients of the values kept."""
    if mask is None:
        np.copyto(dx, dy)
        return
    np.multiply(dy, mask, out=dx)
    dx *= 1 / (1 - ratio)

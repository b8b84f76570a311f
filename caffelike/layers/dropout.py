"""Dropout: drops values at random while training."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.layer import Shape
from caffelike.layers._dropping import Dropping
from caffelike.registry import register


@register("Dropout", param="dropout_param", names=["DROPOUT", "dropout"])
class Dropout(Dropping):
    """TRAIN: y = x / (1 - dropout_ratio) with probability 1 - dropout_ratio, else 0. TEST: y = x.

    bottoms: x, any shape. tops: y, the same shape; may be in place.
    dropout_ratio 0.5: the probability of dropping a value. scale_train true: false leaves the factor out while training
        and makes y = (1 - dropout_ratio) x in TEST. sample_weights_test false: true drops values in TEST, too.
    Gradient: to the values kept, times 1 / (1 - dropout_ratio); in TEST dy.
    Errors: ModelError unless 0 <= dropout_ratio < 1.
    Which values are dropped depends on (seed, layer name, pass, position) alone; Caffe's own random stream is not
    reproduced.
    Source: Srivastava et al., JMLR 2014; scale_train: ncnn and the OpenCL branch; sample_weights_test: Bayesian SegNet.
    """

    honours = ("scale_train", "sample_weights_test")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the ratio."""
        ratio = self.ratio(p)
        train = self.phase == 0 or p.sample_weights_test
        kept = 1 - ratio
        factor = (1 / kept if p.scale_train else 1.0) if train else (1.0 if p.scale_train else kept)
        self.options = {"ratio": ratio, "factor": factor}
        self.drop(train)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    key: np.ndarray | None,
    ratio: float,
    train: bool,
    factor: float,
) -> None:
    """Keep a value where its uniform random number is at least the ratio, and scale it."""
    if not train:
        np.multiply(x, factor, out=y)
        return
    assert key is not None  # the graph gives one to every random layer
    kept = (rng.uniform(key, x.size) >= ratio).reshape(x.shape)
    if mask is not None:
        mask[...] = kept
    np.multiply(x, kept, out=y)
    y *= factor


def backward(dy: np.ndarray, mask: np.ndarray | None, dx: np.ndarray, factor: float) -> None:
    """Scale the gradients of the values kept."""
    np.multiply(dy, factor if mask is None else mask, out=dx)
    if mask is not None:
        dx *= factor

"""SmoothL1LossOHEM by torch.nn.functional.smooth_l1_loss."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """The mean over regions, and every region's own."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def loss(x, target, weight):
        each = functional.smooth_l1_loss(weight * x, weight * target, reduction="none").sum(dim=1, keepdim=True)
        return {"loss": each.sum() / len(x), "each": each.detach()}

    layer = (
        'type: "SmoothL1LossOHEM" bottom: "x" bottom: "target" bottom: "weight" top: "loss" top: "each"'
        " propagate_down: true propagate_down: true propagate_down: false"
    )
    inputs = {"x": 2 * normal(4, 8, 1, 1), "target": normal(4, 8, 1, 1)}
    inputs["weight"] = (rng.random((4, 8, 1, 1)) < 0.6).astype(np.float32)
    yield pytorch("pytorch", layer, inputs, loss, fixed=("weight", "each"))

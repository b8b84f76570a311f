"""SoftmaxWithLossOHEM by torch.nn.functional.cross_entropy."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """The mean over regions, and every region's own; one is ignored."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def loss(x, label):
        each = functional.cross_entropy(x, label.long(), reduction="none", ignore_index=9)
        return {"loss": each.sum() / 5, "prob": x.detach().softmax(dim=1), "each": each.detach()}

    layer = (
        'type: "SoftmaxWithLossOHEM" bottom: "x" bottom: "label" top: "loss" top: "prob" top: "each"'
        " propagate_down: true propagate_down: false loss_param { ignore_label: 9 }"
    )
    inputs = {"x": 2 * normal(6, 4), "label": np.array([0, 3, 9, 1, 2, 1], np.float32)}
    yield pytorch("pytorch", layer, inputs, loss, fixed=("label", "prob", "each"))

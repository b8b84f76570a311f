"""L1Loss by torch.nn.functional.l1_loss and norms."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """NVIDIA's; FlowNet's with roots of the places' squares."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    inputs = {"a": normal(3, 4, 2, 5), "b": normal(3, 4, 2, 5)}
    layer = 'type: "L1Loss" bottom: "a" bottom: "b" top: "loss"'
    yield pytorch("pytorch", layer, inputs, lambda a, b: {"loss": functional.l1_loss(a, b, reduction="sum") / len(a)})

    def places(a, b):
        return {"loss": (((a - b) ** 2).sum(dim=1) + 0.01).sqrt().sum() / len(a)}

    yield pytorch("pytorch flow", layer + " l1_loss_param { l2_per_location: true }", inputs, places)

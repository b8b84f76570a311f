"""ChannelScale by a product that PyTorch broadcasts."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """One scale for each item and place."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "ChannelScale" bottom: "x" bottom: "scale" top: "y"'
    inputs = {"x": normal(2, 3, 4, 5), "scale": normal(2, 1, 4, 5)}
    yield pytorch("pytorch", layer, inputs, lambda x, scale: {"y": torch.mul(x, scale)})

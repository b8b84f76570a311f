"""MaskPooling by a product that PyTorch broadcasts."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """A mask for each item."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "MaskPooling" bottom: "x" bottom: "mask" top: "y"'
    inputs = {"x": normal(2, 3, 4, 5), "mask": normal(2, 1, 4, 5)}
    yield pytorch("pytorch", layer, inputs, lambda x, mask: {"y": torch.mul(x, mask.expand_as(x))})

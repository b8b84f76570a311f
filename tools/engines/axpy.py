"""Axpy by PyTorch's products and sums."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """One scale for each item and channel."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "Axpy" bottom: "scale" bottom: "x" bottom: "shift" top: "y"'
    inputs = {"scale": normal(2, 3, 1, 1), "x": normal(2, 3, 4, 5), "shift": normal(2, 3, 4, 5)}
    yield pytorch("pytorch", layer, inputs, lambda scale, x, shift: {"y": torch.addcmul(shift, scale, x)})

"""Switch by torch.select of what is stacked."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """The first of three."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "Switch" bottom: "a" bottom: "b" bottom: "c" top: "y"'
    inputs = {"a": normal(2, 3, 4), "b": normal(2, 3, 4), "c": normal(2, 3, 4)}
    yield pytorch("pytorch", layer, inputs, lambda a, b, c: {"y": torch.stack([a, b, c]).select(0, 0)})

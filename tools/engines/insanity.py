"""Insanity by torch.nn.functional.leaky_relu while testing."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """The slope whose inverse is the mean of the random ones."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    slope = float(np.log(10 / 5) / (10 - 5))
    layer = 'type: "Insanity" bottom: "x" top: "y"'
    yield pytorch("pytorch", layer, {"x": normal(2, 3, 4, 5)}, lambda x: {"y": functional.leaky_relu(x, slope)})

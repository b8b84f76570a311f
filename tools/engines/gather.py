"""Gather by torch.distributed's own of a single process: each tensor itself."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Two bottoms."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "Gather" bottom: "a" bottom: "b" top: "c" top: "d"'
    inputs = {"a": normal(4, 5), "b": normal(3, 2, 2)}
    yield pytorch("pytorch", layer, inputs, lambda a, b: {"c": torch.cat([a]), "d": torch.cat([b])})

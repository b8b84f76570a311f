"""OuterProduct by torch.einsum."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Vectors of different lengths."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "OuterProduct" bottom: "a" bottom: "b" top: "y"'
    inputs = {"a": normal(3, 4), "b": normal(3, 5)}
    yield pytorch("pytorch", layer, inputs, lambda a, b: {"y": torch.einsum("ni,nj->nij", a, b)[:, None]})

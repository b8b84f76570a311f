"""Reverse by torch.flip."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Time, and another axis."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    for axis in (0, 2):
        layer = f'type: "Reverse" bottom: "x" top: "y" reverse_param {{ axis: {axis} }}'
        yield pytorch(
            f"pytorch {axis}", layer, {"x": normal(4, 3, 5)}, lambda x, axis=axis: {"y": torch.flip(x, (axis,))}
        )

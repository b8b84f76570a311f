"""Maximum by torch.max and torch.unravel_index."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Heat maps of several joints."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def joints(x):
        value, place = x.flatten(2).max(dim=2)
        row, column = torch.unravel_index(place, x.shape[2:])
        return {"y": torch.stack([column, row, value], dim=2)[:, :, None]}

    yield pytorch("pytorch", 'type: "Maximum" bottom: "x" top: "y"', {"x": normal(2, 5, 6, 7)}, joints, fixed=("x",))

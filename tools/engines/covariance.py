"""Covariance by torch.bmm."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Three channels of twenty pixels."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def products(x):
        rows = x.flatten(2)
        return {"y": torch.bmm(rows, rows.transpose(1, 2))[..., None] / (3 * 20)}

    yield pytorch("pytorch", 'type: "Covariance" bottom: "x" top: "y"', {"x": normal(2, 3, 4, 5)}, products)

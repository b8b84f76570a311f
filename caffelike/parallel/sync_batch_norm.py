"""BatchNorm whose statistics are those of all ranks' batches together.

By default each rank normalises by its own batch, as Caffe does; with small batches on each rank the statistics of
all of them are better, at the price of two exchanges a layer and pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from caffelike import registry
from caffelike.layer import Shape
from caffelike.layers import batch_norm
from caffelike.layers.batch_norm import Average, BatchNorm
from caffelike.solvers.ranks import Ranks


class SyncBatchNorm(BatchNorm):
    """BatchNorm with the mean and variance of the batches of all ranks, which have equal sizes."""

    ranks: ClassVar[Ranks] = Ranks()

    def setup(self, p: Any, *shapes: Shape) -> None:
        """As BatchNorm; `average` is the mean of an array over the ranks, `parts` their number."""
        super().setup(p, *shapes)
        self.options |= {"average": self.ranks.mean, "parts": self.ranks.size}


@contextmanager
def synchronised(ranks: Ranks, on: bool) -> Iterator[None]:
    """Nets that are built within it have SyncBatchNorm for BatchNorm, if `on` and there are several ranks."""
    if not on or ranks.size == 1:
        yield
        return
    with registry.layers.standing_in("BatchNorm", type("BatchNorm", (SyncBatchNorm,), {"ranks": ranks})):
        yield


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    use_global_stats: bool,
    fraction: float,
    eps: float,
    average: Average,
    parts: int,
) -> None:
    """As BatchNorm's, with the mean and variance over all ranks."""
    batch_norm.forward_over(
        x, y, mean, variance, factor, scale, bias, deviation, normal, use_global_stats, fraction, eps, average, parts
    )


def backward(
    dy: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None,
    deviation: np.ndarray,
    normal: np.ndarray | None,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: float,
    average: Average,
) -> None:
    """As BatchNorm's, with the means over all ranks."""
    batch_norm.backward_over(dy, y, scale, deviation, normal, dx, dscale, dbias, use_global_stats, beta, average)

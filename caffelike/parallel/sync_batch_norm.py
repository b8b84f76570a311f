"""BatchNorm whose statistics are those of all ranks' batches together.

By default each rank normalises by its own batch, as Caffe does; with small batches on each rank the statistics of
all of them are better, at the price of two exchanges a layer and pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from caffelike import registry
from caffelike.layer import Shape
from caffelike.layers import batch_norm
from caffelike.layers.batch_norm import BatchNorm
from caffelike.solvers.ranks import Ranks

Average = Callable[[np.ndarray], np.ndarray]


class SyncBatchNorm(BatchNorm):
    """BatchNorm with the mean and variance of the batches of all ranks, which have equal sizes."""

    ranks: ClassVar[Ranks] = Ranks()

    def setup(self, p: Any, *shapes: Shape) -> None:
        """As BatchNorm; `average` is the mean of an array over the ranks, `size` their number."""
        super().setup(p, *shapes)
        self.options |= {"average": self.ranks.mean, "size": self.ranks.size}


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
    deviation: np.ndarray | None,
    use_global_stats: bool,
    fraction: float,
    eps: float,
    average: Average,
    size: int,
) -> None:
    """As BatchNorm's, with the mean and variance over all ranks."""
    if use_global_stats:
        batch_norm.forward(x, y, mean, variance, factor, deviation, use_global_stats, fraction, eps)
        return
    values, out = _by_channel(x), _by_channel(y)
    batch_mean = average(values.mean(axis=(0, 2), dtype=np.float64))
    np.subtract(values, batch_mean.astype(x.dtype)[:, None], out=out)
    batch_variance = average(np.square(out).mean(axis=(0, 2), dtype=np.float64))
    each = size * x.size // mean.size
    for running, value in ((factor, 1), (mean, batch_mean), (variance, batch_variance * (each / max(each - 1, 1)))):
        running *= fraction
        running += value
    root = np.sqrt(batch_variance + eps).astype(x.dtype)
    out /= root[:, None]
    if deviation is not None:
        deviation[...] = root


def backward(
    dy: np.ndarray,
    y: np.ndarray,
    deviation: np.ndarray,
    dx: np.ndarray,
    use_global_stats: bool,
    average: Average,
    size: int,
) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation, with the means over all ranks."""
    if use_global_stats:
        batch_norm.backward(dy, y, deviation, dx, use_global_stats)
        return
    gradient, out, normal = _by_channel(dy), _by_channel(dx), _by_channel(y)
    sums = [gradient.mean(axis=(0, 2), dtype=np.float64), (gradient * normal).mean(axis=(0, 2), dtype=np.float64)]
    level, slant = average(np.stack(sums)).astype(dy.dtype)
    np.subtract(gradient, level[:, None] + normal * slant[:, None], out=out)
    out /= deviation[:, None]


def _by_channel(array: np.ndarray) -> np.ndarray:
    """A view of shape (N, C, the rest)."""
    return array.reshape(array.shape[0], array.shape[1] if array.ndim > 1 else 1, -1)

"""Numbers that the ranks of one machine exchange through memory they share: rows (ranks, n), a row for each rank.

`mean` and `give` are the definitions; kernels/cpu/exchange.py has faster ones.
"""

from collections.abc import Callable

import numpy as np

from caffelike import device


def mean(rows: np.ndarray, start: int, end: int, out: np.ndarray) -> None:
    """out (end - start,) = the mean of rows[:, start:end], added in their order; it may be a part of them."""
    total = rows[0, start:end].copy()
    for row in rows[1:]:
        total += row[start:end]
    out[...] = np.float32(1 / len(rows)) * total


def give(rows: np.ndarray, rank: int, start: int, end: int) -> None:
    """All other rows' start:end = that of row `rank`."""
    for other, row in enumerate(rows):
        if other != rank:
            row[start:end] = rows[rank, start:end]


def fast(name: str) -> Callable[..., None]:
    """The kernel of this name, or its definition where kernels are not wanted."""
    return device.kernel("exchange", name) or globals()[name]

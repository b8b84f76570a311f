"""Numbers that the ranks of one machine exchange through memory they share; see parallel/exchange.py."""

import numpy as np

from caffelike.kernels.launch import get_num_threads, scratch, task

_GRAIN = 1 << 13  # numbers: a piece of each rank's stays in the first-level caches


def mean(rows: np.ndarray, rank: int, start: int, end: int) -> None:
    """rows[rank, start:end] = the mean of that part of all rows (ranks, n)."""
    totals = scratch("exchange", get_num_threads() * _GRAIN)
    _mean(end - start, _GRAIN, rows, rank, start, np.float32(1 / len(rows)), totals)


def give(rows: np.ndarray, rank: int, start: int, end: int) -> None:
    """All other rows' start:end = that of row `rank`."""
    _give(end - start, _GRAIN, rows, rank, start)


@task
def _mean(worker, lo, hi, rows, rank, start, share, totals):
    count = hi - lo
    total = totals[worker * _GRAIN : worker * _GRAIN + count]
    total[:] = rows[0, start + lo : start + hi]
    for other in range(1, len(rows)):
        row = rows[other, start + lo : start + hi]
        for i in range(count):
            total[i] += row[i]
    to = rows[rank, start + lo : start + hi]
    for i in range(count):
        to[i] = share * total[i]


@task
def _give(worker, lo, hi, rows, rank, start):
    own = rows[rank, start + lo : start + hi]
    for other in range(len(rows)):
        if other != rank:
            rows[other, start + lo : start + hi] = own

"""Numbers that the ranks of one machine exchange through memory they share; see parallel/exchange.py."""

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit, fence

_GRAIN = 1 << 12  # numbers: a piece of each rank's stays in the first-level caches
_STREAM = 1 << 21  # numbers of a row from which on it is written past the caches: they would not keep it
_LINE = 16  # numbers: a cache line


def mean(rows: np.ndarray, start: int, end: int, out: np.ndarray) -> None:
    """out (end - start,) = the mean of rows[:, start:end]; it may be a part of them."""
    totals = scratch("exchange", get_num_threads() * _GRAIN)
    _mean(end - start, _GRAIN, rows, start, out, np.float32(1 / len(rows)), totals)


def give(rows: np.ndarray, rank: int, start: int, end: int) -> None:
    """All other rows' start:end = that of row `rank`."""
    count = rows.shape[1]
    streamed = count >= _STREAM and count % _LINE == 0 and rows.ctypes.data % (4 * _LINE) == 0
    _give(end - start, _GRAIN, rows.reshape(-1), count, rank, start, streamed)


@task
def _mean(worker, lo, hi, rows, start, out, share, totals):
    count, own = hi - lo, worker * _GRAIN
    total, to = totals[own : own + count], out[lo:hi]
    first = rows[0, start + lo : start + hi]
    for i in range(count):
        total[i] = first[i]
    for other in range(1, len(rows)):
        row = rows[other, start + lo : start + hi]
        for i in range(count):
            total[i] += row[i]
    for i in range(count):
        to[i] = share * total[i]


@task
def _give(worker, lo, hi, numbers, count, rank, start, streamed):
    first, last = start + lo, start + hi
    begin, end = last, last
    if streamed:  # whole lines in between
        begin = min(last, (first + _LINE - 1) // _LINE * _LINE)
        end = max(begin, last // _LINE * _LINE)
    own = rank * count
    for to in range(0, len(numbers), count):
        if to != own:
            numbers[to + first : to + begin] = numbers[own + first : own + begin]
            for i in range(begin, end, LANES):
                _stream_vector(numbers, to + i, own + i)
            numbers[to + end : to + last] = numbers[own + end : own + last]
    if streamed:
        fence()


@intrinsic
def _stream_vector(typingctx, numbers, to, source):
    """numbers[to : to + LANES] = numbers[source : source + LANES], past the caches; `to` begins on a vector."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        array, to, source = values
        e.stream(e.load(e.array(context, given.args[0], array, source)), e.array(context, given.args[0], array, to))
        return context.get_dummy_value()

    return types.void(numbers, types.intp, types.intp), codegen

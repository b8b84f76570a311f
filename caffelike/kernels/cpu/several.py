"""Kernels over any number of arrays: they get a list of addresses, so that one compiled function serves all counts."""

from collections.abc import Sequence

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

GRAIN = 1 << 14  # values in a chunk


def addresses(arrays: Sequence[np.ndarray | None]) -> np.ndarray:
    """Where the data of C-contiguous arrays lies; 0 for None. Keep the arrays while the addresses are in use."""
    return np.array([0 if a is None else a.__array_interface__["data"][0] for a in arrays], np.int64)


@intrinsic
def _pointer(typingctx, address):
    def codegen(context, builder, given, values):
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@kernel
def values(address, n):
    """The n float32 at an address, as an array."""
    return carray(_pointer(address), n, np.float32)


def join(parts: Sequence[np.ndarray | None], whole: np.ndarray, axis: int, points: Sequence[int], apart: bool) -> None:
    """whole = the parts one after the other along `axis`; zeros for None. They meet at `points` of that axis.

    apart: the other way round, the parts are filled from the whole; None is passed over.
    """
    inner = 1
    for n in whole.shape[axis + 1 :]:
        inner *= n
    edges = np.array([0, *points, whole.shape[axis]], np.int64) * inner
    _join(whole.size, GRAIN, addresses(parts), edges, whole.reshape(-1), apart)


@task
def _join(worker, lo, hi, places, edges, whole, apart):
    """The values lo..hi of the whole, which consists of lines of edges[-1] values."""
    at, width = lo, edges[-1]
    while at < hi:
        line, column = at // width, at % width
        k = np.searchsorted(edges, column, side="right") - 1
        end = min(hi, line * width + edges[k + 1])
        here = whole[at:end]
        if places[k] != 0:
            start = line * (edges[k + 1] - edges[k]) + column - edges[k]
            part = values(places[k] + 4 * start, end - at)
            if apart:
                for i in range(end - at):
                    part[i] = here[i]
            else:
                for i in range(end - at):
                    here[i] = part[i]
        elif not apart:
            here[:] = 0
        at = end


@task
def add_up(worker, lo, hi, places, y):
    """y[lo:hi] = the sum of one array or more, in their order."""
    y = y[lo:hi]
    n = hi - lo
    first = values(places[0] + 4 * lo, n)
    if places.size == 1:
        for i in range(n):
            y[i] = first[i]
        return
    second = values(places[1] + 4 * lo, n)
    for i in range(n):
        y[i] = first[i] + second[i]
    for k in range(2, places.size):
        more = values(places[k] + 4 * lo, n)
        for i in range(n):
            y[i] += more[i]

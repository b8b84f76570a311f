"""The weights' gradient of windows of 1 x 1: dot products of channels, as they lie in memory.

A line of pixels of one channel is a vector already, so nothing is packed: a tile of sums stays in registers, each a
vector over pixels, and its lanes are added up at the end.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, task
from caffelike.kernels.vector import LANES, MACHINE, NEON, Emit

FEWEST = 400
"""From so many pixels in a map on it pays: chains of sums are long, and the processor sees where lines go on."""

_ROWS = 6 if LANES == 16 or MACHINE == NEON else 3  # of 32 or 16 registers, sums take 24 or 12
_COLUMNS = 4
_CHUNK = 784  # pixels at a time: the lines of a tile then stay in the first-level cache
_CHANNELS = 128  # most in a part: its chunk of the map then stays in the second-level cache


def _totals(e: Emit, sums: list) -> Any:
    """The sums of the lanes of four vectors, as a vector of four."""

    def halves(a: Any, b: Any, each: int) -> Any:
        """Groups of `each` lanes of a, then of b, added up to half as many."""
        lanes = range(0, a.type.count * (1 if a is b else 2), each)
        first = [group + k for group in lanes for k in range(each // 2)]
        return e.b.fadd(e.shuffle(a, b, first), e.shuffle(a, b, [k + each // 2 for k in first]))

    each = LANES
    while len(sums) > 1:
        sums = [halves(a, b, each) for a, b in zip(sums[::2], sums[1::2], strict=True)]
        each //= 2
    total = sums[0]
    while each > 1:
        total = halves(total, total, each)
        each //= 2
    return total


@intrinsic
def _tile(typingctx, d, i, x, j, pitch, depth, rows, columns, out, k, out_pitch, add, next_d, next_x):
    """out[r, c] (+)= sum over pixels p < depth of d[r, p] * x[c, p]; r < rows <= _ROWS, c < columns <= _COLUMNS.

    Channels of d and x are `pitch` apart. Meanwhile it asks for `depth` numbers from d[next_d] and x[next_x] on.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        d, x, out = (e.array(context, given.args[m], *values[m : m + 2]) for m in (0, 2, 8))
        pitch, depth, rows, columns, out_pitch, add = *values[4:8], *values[10:12]
        asked = [e.array(context, given.args[m], values[m], at) for m, at in ((0, values[12]), (2, values[13]))]

        def lines(start: Any, count: int, there: Any) -> list:
            """Those beyond the last repeat the first, and their sums are not written."""
            numbers = [b.select(b.icmp_signed(">", there, e.int(m)), e.int(m), e.int(0)) for m in range(count)]
            return [e.at(start, b.mul(pitch, number)) for number in numbers]

        above, below = lines(d, _ROWS, rows), lines(x, _COLUMNS, columns)

        def step(at: Any, sums: list, load: Any) -> list:
            result, few, many = list(sums), *sorted((above, below), key=len)
            held = [load(e.at(line, at)) for line in few]
            for line in asked:
                e.prefetch(e.at(line, at), level=2)
            for m, line in enumerate(many):
                value = load(e.at(line, at))
                for h, other in enumerate(held):
                    k = h * _COLUMNS + m if few is above else m * _COLUMNS + h
                    result[k] = e.fma(value, other, sums[k])
            return result

        sums = e.over(depth, [e.const(0)] * (_ROWS * _COLUMNS), step)
        four = Emit(builder, _COLUMNS)
        mask = four.first(columns)
        for r in range(_ROWS):
            with b.if_then(b.icmp_signed(">", rows, e.int(r))):
                total = _totals(e, sums[r * _COLUMNS : (r + 1) * _COLUMNS])
                place = e.at(out, b.mul(out_pitch, e.int(r)))
                before = four.masked_load(place, b.and_(mask, four.splat(add)))
                four.masked_store(b.fadd(total, before), place, mask)
        return context.get_dummy_value()

    n = types.intp
    return types.void(d, n, x, n, n, n, n, n, out, n, n, types.boolean, n, n), codegen


@task
def _products(worker, lo, hi, d, x, out, sizes, parts, chunk, add):
    """Items (group, part of the rows, part of the channels) of out[g*rows + r, c], chunks of pixels one by one.

    What comes next is asked for meanwhile: a row of d in each of a row's first tiles, and the next chunk of x in four
    rounds over its channels, spread over the rows.
    """
    n, groups, rows, channels, pixels = sizes
    for item in range(lo, hi):
        g, i, j = item // (parts[0] * parts[1]), item // parts[1] % parts[0], item % parts[1]
        top, bottom = _share(rows, _ROWS, i, parts[0]), _share(rows, _ROWS, i + 1, parts[0])
        left, right = _share(channels, _COLUMNS, j, parts[1]), _share(channels, _COLUMNS, j + 1, parts[1])
        for m in range(g, n * groups, groups):
            for p in range(0, pixels, chunk):
                after, start = m, p + chunk  # the next chunk; behind the last, this one again
                if start >= pixels:
                    after, start = (m + groups, 0) if m + groups < n * groups else (m, p)
                coming = (after * channels + left) * pixels + start
                asked = 0  # of x: of each tile's channels so many
                for r in range(top, bottom, _ROWS):
                    below = (m * rows + r + _ROWS) * pixels + p
                    if r + _ROWS >= bottom:
                        below = (after * rows + top) * pixels + start
                    asking = (r - top) * _COLUMNS // (bottom - top) >= asked
                    for c in range(left, right, _COLUMNS):
                        at_d, at_x = (m * rows + r) * pixels + p, (m * channels + c) * pixels + p
                        number = (c - left) // _COLUMNS
                        _tile(
                            d, at_d, x, at_x, pixels, min(chunk, pixels - p), min(_ROWS, bottom - r),
                            min(_COLUMNS, right - c), out, (g * rows + r) * channels + c, channels,
                            add or m - g + p > 0, below + number * pixels if number < _ROWS else at_d,
                            coming + (c - left + asked) * pixels if asking else at_x,
                        )  # fmt: skip
                    asked += asking


@kernel
def _share(count, unit, part, parts):
    """Where a part of `count` begins: at a multiple of `unit`."""
    return min(count, (count + unit - 1) // unit * part // parts * unit)


def weight_gradient(maps: np.ndarray, d: np.ndarray, out: np.ndarray, groups: int, add: bool) -> None:
    """out (groups * M, C, 1, 1) (+)= d (N, groups * M, H, W) against maps (N, groups * C, H, W), over the batch.

    How it is cut into parts changes no sum.
    """
    n, pixels, threads = len(d), d.shape[2] * d.shape[3], get_num_threads()
    channels, rows = maps.shape[1] // groups, d.shape[1] // groups
    chunks = -(-pixels // _CHUNK)
    chunk = -(-pixels // (chunks * LANES)) * LANES
    across = -(-channels // _CHANNELS)
    if across >= threads or channels >= rows:  # or each thread has rows of its own and all read the smaller map
        across = -(-across // threads) * threads
    across = max(1, min(across, channels // (4 * _COLUMNS)))
    down = max(1, min(-(-threads // (groups * across)), rows // _ROWS))
    _products(
        groups * down * across, 1, d.reshape(-1), maps.reshape(-1), out.reshape(-1),
        (n, groups, rows, channels, pixels), (down, across), chunk, add,
    )  # fmt: skip

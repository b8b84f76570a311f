"""C = op(A) . op(B) + beta * C for single-precision matrices, any sizes, without BLAS.

A is packed whole, once; B panel by panel, just before use. Threads take blocks of C.
"""

from functools import lru_cache

import numpy as np

from caffelike.kernels.cpu.pack import SLACK, pack_left, pack_right, pack_right_transposed
from caffelike.kernels.cpu.tile import ADD, COLUMNS, DEPTH, ROWS, STREAM, multiply
from caffelike.kernels.launch import by_hand, get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, fence

_WIDE = 16 * COLUMNS  # columns of B packed before they are used: long runs in memory, and still in the L2 cache
_STEPS = 8  # rows of B to pack at a time: they may be on different pages of memory
_HIGH = 512  # rows of A that go over them at a time, L2 as well
_STREAM = 1 << 21  # floats of C from which on it is written past the caches: they would not keep it


@task
def _pack_a(worker, lo, hi, a, rows, row_pitch, k_pitch, cuts, packed):
    """Panels lo..hi of A into [k block][panel][k][ROWS], the order of use."""
    height = (rows + ROWS - 1) // ROWS * ROWS
    r = lo * ROWS
    n = min(rows, hi * ROWS) - r
    for q in range(cuts.size - 1):
        k, kc = cuts[q], cuts[q + 1] - cuts[q]
        pack_left(packed, k * height + r * kc, ROWS * kc, a, r * row_pitch + k * k_pitch, n, row_pitch, kc, k_pitch)


@task
def _product(worker, lo, hi, packed, b, offsets, transposed, c, rows, columns, depth, cuts, parts, flags, buffer, slot):
    """Blocks lo..hi of C, numbered along the columns first; parts: into how many rows and columns are cut."""
    down, across = parts
    height = (rows + ROWS - 1) // ROWS * ROWS
    mine = worker * slot
    panels_a, panels_b = height // ROWS, (columns + COLUMNS - 1) // COLUMNS
    for part in range(lo, hi):
        i, j = part // across, part % across
        top, bottom = panels_a * i // down * ROWS, min(rows, panels_a * (i + 1) // down * ROWS)
        left, right = panels_b * j // across * COLUMNS, min(columns, panels_b * (j + 1) // across * COLUMNS)
        for first in range(left, right, _WIDE):
            last = min(right, first + _WIDE)
            for q in range(cuts.size - 1):
                k, kc = cuts[q], cuts[q + 1] - cuts[q]
                steps = kc if transposed else _STEPS
                for step in range(0, kc, steps):  # walk a few lines of B side by side
                    for n in range(first, last, COLUMNS):
                        w = min(COLUMNS, last - n)
                        to = mine + (n - first) * kc
                        if transposed:
                            pack_right_transposed(buffer, to, b, 0, offsets, n, w, k, kc, depth, 1, 0, 0)
                        else:
                            to += step * ((w + LANES - 1) // LANES * LANES)
                            pack_right(
                                buffer, to, b, 0, offsets, k + step, min(steps, kc - step), n, w, columns, 1, 0, 0
                            )
                for m in range(top, bottom, _HIGH):
                    for n in range(first, last, COLUMNS):
                        w = min(COLUMNS, last - n)
                        multiply(
                            packed, k * height + m * kc, buffer, mine + (n - first) * kc, c, m * columns + n,
                            packed, 0, min(_HIGH, bottom - m), w, kc, columns, ADD if k else flags,
                        )  # fmt: skip
    if flags & STREAM:
        fence()


def depth_of_block(depth: int, unit: int = 1) -> int:
    """How many steps of k to take at a time: nearly equal blocks, multiples of `unit`, about DEPTH at most.

    Where more than one is needed they are multiples of 8; two are cut as OpenBLAS does (`_cuts`): equal sums make max
    pooling meet the same ties as Caffe, and LeNet's loss then follows Caffe's to 1e-7 instead of 1e-3 after 50
    iterations.
    """
    units = max(1, depth // unit)
    blocks = -(-units // max(1, DEPTH // unit))
    if blocks > 1 and unit == 1:
        return -(-depth // blocks // 8) * 8
    return -(-units // blocks) * unit


@lru_cache(maxsize=256)
def _cuts(depth: int) -> np.ndarray:
    """Where the blocks of k begin, and `depth`: DEPTH steps each, and what is left of less than two in equal halves.

    OpenBLAS cuts them so. With equal sums LeNet's loss follows Caffe's to 1e-6 for 200 iterations: ReLU and max pooling
    meet the same ties.
    """
    places = [0]
    while (left := depth - places[-1]) > DEPTH:
        places.append(places[-1] + (DEPTH if left >= 2 * DEPTH else -(-left // 16) * 8))
    return np.array([*places, depth])


@lru_cache(maxsize=256)
def lines(n: int, pitch: int) -> np.ndarray:
    """Where n lines that are `pitch` apart begin; the last one is repeated, as pack_right_transposed wants it."""
    return np.minimum(np.arange(n + LANES), n - 1) * np.int64(pitch)


def _parts(rows: int, columns: int, depth: int) -> tuple[int, int]:
    """Into how many blocks of rows and of columns C is cut: columns first, for each packs its own part of B."""
    threads = get_num_threads()
    work = rows * columns * depth
    if threads == 1 or work < 500_000:
        return 1, 1
    wanted = threads if work < 20_000_000 else 4 * threads
    across = min(wanted, -(-columns // COLUMNS))
    return 1 if across >= threads else min(-(-threads // across), -(-rows // ROWS)), across


def gemm(a: np.ndarray, b: np.ndarray, c: np.ndarray, trans_a: bool, trans_b: bool, beta: float) -> None:
    """c = op(a) @ op(b) + beta * c in place, op(m) = m.T where its trans_ is set; all float32, C-contiguous, 2-D.

    c is (M, N), op(a) (M, K), op(b) (K, N); c may be anything, NaN too, when beta is 0.
    """
    (rows, columns), depth = c.shape, a.shape[0 if trans_a else 1]
    if beta not in (0, 1):
        by_hand()
        c *= np.float32(beta)
    if c.size == 0 or depth == 0:
        by_hand()
        if beta == 0:
            c[...] = 0
        return
    cuts = _cuts(depth)
    panels = -(-rows // ROWS)
    packed = scratch("left", panels * ROWS * depth + SLACK)
    row_pitch, k_pitch = (1, a.shape[1]) if trans_a else (a.shape[1], 1)
    grain = max(1, 32768 // (ROWS * depth))
    _pack_a(panels, grain, a.reshape(-1), rows, row_pitch, k_pitch, cuts, packed)
    offsets = lines(columns if trans_b else depth, b.shape[1])
    parts = _parts(rows, columns, depth)
    slot = _WIDE * min(depth, DEPTH) + SLACK
    buffer = scratch("right", get_num_threads() * slot)
    once = c.size >= _STREAM and depth <= DEPTH and columns % 16 == 0 and c.ctypes.data % 64 == 0
    flags = ADD if beta else STREAM if once else 0
    _product(
        parts[0] * parts[1], 1, packed, b.reshape(-1), offsets, trans_b, c.reshape(-1), rows, columns, depth, cuts,
        parts, flags, buffer, slot,
    )  # fmt: skip

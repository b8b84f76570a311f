"""Products of a large matrix with a few vectors: the matrix is read once, as it lies in memory.

With few images an inner product is bound by the memory its weights come from, so nothing of them is packed: a thread
takes some rows (`dot_rows`) or columns (`add_rows`) and walks a few lines of the matrix side by side.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.gemm import lines
from caffelike.kernels.cpu.pack import SLACK, pack_right_transposed
from caffelike.kernels.cpu.tile import COLUMNS
from caffelike.kernels.jit import with_globals
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit

_MANY, _CACHED = 2 * COLUMNS, 2**19  # images; floats


def streams(w: np.ndarray, images: int) -> bool:
    """Whether products with so many images are for this file; others are for gemm.py.

    A large w is read faster as it lies; one that stays in a cache is packed as fast, by kernels that are there anyway.
    """
    return 0 < images <= (_MANY if w.size > _CACHED else COLUMNS) and len(w) >= images // 2


_AHEAD = 256  # floats: how far in advance each line of the matrix is asked for
_LINES = 8  # at a time; 16 at a pitch of a power of two would fall into one set of the first-level cache
_STEPS = 16  # a cache line


def _make_dots(vectors: int) -> Any:
    @intrinsic
    def dots(typingctx, w, wi, pitch, rows, x, xi, depth, to, i, add):
        """to[i + r*vectors*LANES + l] (+)= W[r, :] . x[:, l] for r < rows <= _LINES; x: [depth][vectors*LANES]."""

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            w = e.array(context, given.args[0], *values[0:2])
            pitch, rows, depth, add = values[2], values[3], values[6], values[9]
            x = e.array(context, given.args[4], *values[4:6])
            to = e.array(context, given.args[7], *values[7:9])
            width = vectors * LANES
            inside = [b.select(b.icmp_signed(">", rows, e.int(r)), e.int(r), e.int(0)) for r in range(_LINES)]
            starts = [e.at(w, b.mul(pitch, r)) for r in inside]

            def step(k: Any, sums: list) -> list:
                columns = [e.load(e.at(x, b.add(b.mul(k, e.int(width)), e.int(v * LANES)))) for v in range(vectors)]
                result = []
                for r, line in enumerate(starts):
                    factor = e.splat(b.load(e.at(line, k)))
                    result += [e.fma(factor, columns[v], sums[r * vectors + v]) for v in range(vectors)]
                return result

            def block(q: Any, sums: list) -> list:
                k = b.mul(q, e.int(_STEPS))
                for s in range(_STEPS):
                    if s < _LINES:
                        e.prefetch(e.at(e.at(starts[s], k), _AHEAD))
                    sums = step(b.add(k, e.int(s)), sums)
                return sums

            places = [e.at(to, n * LANES) for n in range(_LINES * vectors)]
            zero = [e.const(0)] * len(places)
            blocks = b.sdiv(depth, e.int(_STEPS))
            done = b.mul(blocks, e.int(_STEPS))
            some, rest = b.icmp_signed(">", blocks, e.int(0)), b.sub(depth, done)
            sums = e.choose(some, lambda: e.loop(blocks, zero, block), lambda: zero)
            left = sums
            sums = e.choose(
                b.icmp_signed(">", rest, e.int(0)),
                lambda: e.loop(rest, left, lambda k, sums: step(b.add(done, k), sums)),
                lambda: left,
            )
            before = e.choose(add, lambda: [e.load(p) for p in places], lambda: zero)
            for place, value, other in zip(places, sums, before, strict=True):
                e.store(b.fadd(value, other), place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(w, n, n, n, x, n, n, to, n, types.boolean), codegen

    return dots


@intrinsic
def _dot(typingctx, w, wi, pitch, rows, x, depth, to, i):
    """to[i + r] = W[r, :] . x for r < rows <= _LINES."""

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        w = e.array(context, given.args[0], *values[0:2])
        pitch, rows, depth = values[2], values[3], values[5]
        x = e.array(context, given.args[4], values[4], e.int(0))
        to = e.array(context, given.args[6], *values[6:8])
        inside = [b.select(b.icmp_signed(">", rows, e.int(r)), e.int(r), e.int(0)) for r in range(_LINES)]
        starts = [e.at(w, b.mul(pitch, r)) for r in inside]

        def step(at: Any, sums: list, load: Any) -> list:
            vector, result = load(e.at(x, at)), []
            for line, value in zip(starts, sums, strict=True):
                e.prefetch(e.at(e.at(line, at), _AHEAD))
                result.append(e.fma(load(e.at(line, at)), vector, value))
            return result

        sums = e.over(depth, [e.const(0)] * _LINES, step)
        for r in reversed(range(_LINES)):  # lines that are not there write where the first will
            b.store(e.total(sums[r]), e.at(to, inside[r]))
        return context.get_dummy_value()

    n = types.intp
    return types.void(w, n, n, n, x, n, to, n), codegen


_DEPTH = 64  # steps of k in one chain: adding up short chains rounds less than one long one
_BLOCK = 65536  # floats of x at a time: they stay in the L2 cache


@task
def _pack_images(worker, lo, hi, x, offsets, images, depth, packed):
    """x (images, depth) to panels of COLUMNS images, [depth][images of the panel, padded]; steps lo..hi.

    LANES steps are written at a time: lo and a panel's depth are multiples, or other threads' numbers are overwritten.
    """
    deep = (depth + LANES - 1) // LANES * LANES
    for i in range(0, images, COLUMNS):
        n = min(COLUMNS, images - i)
        to = i * deep + lo * ((n + LANES - 1) // LANES * LANES)
        pack_right_transposed(packed, to, x, 0, offsets, i, n, lo, hi - lo, depth, 1, 0, 0)


_dots_full: Any = None  # what _make_dots gives stands in for these names
_dots_last: Any = None


def _rows(worker, lo, hi, w, packed, y, images, rows, depth, sums):
    """y[i, r] = W[r, :] . x[i, :] for rows lo..hi; the last panel of images is _dots_last's, others _dots_full's."""
    height, deep = (rows + _LINES - 1) // _LINES * _LINES, (depth + LANES - 1) // LANES * LANES
    block = max(1, _BLOCK // max(LANES, images) // _DEPTH) * _DEPTH
    for k in range(0, depth, block):
        kc = min(block, depth - k)
        for r in range(lo, hi, _LINES):
            n = min(_LINES, hi - r)
            for i in range(0, images, COLUMNS):
                width = (min(COLUMNS, images - i) + LANES - 1) // LANES * LANES
                to = i * height + r * width
                for q in range(k, k + kc, _DEPTH):
                    x, steps = i * deep + q * width, min(_DEPTH, k + kc - q)
                    if _dots_full is not None and i + COLUMNS < images:
                        _dots_full(w, r * depth + q, depth, n, packed, x, steps, sums, to, q > 0)
                    else:
                        _dots_last(w, r * depth + q, depth, n, packed, x, steps, sums, to, q > 0)
    for i in range(images):
        first = i // COLUMNS * COLUMNS
        width = (min(COLUMNS, images - first) + LANES - 1) // LANES * LANES
        for r in range(lo, hi):
            y[i * rows + r] = sums[first * height + r * width + i - first]


@lru_cache
def _dot_rows(full: bool, last: int) -> Any:
    """The task `_rows` for images that fill panels of COLUMNS and `last` vectors, or for the latter alone.

    Each is compiled when it is first used: all of them together take seconds.
    """
    dots = {"_dots_full": _make_dots(COLUMNS // LANES) if full else None, "_dots_last": _make_dots(last)}
    return task(with_globals(_rows, f"_rows_{int(full)}_{last}", **dots))


@task
def _dot_one(worker, lo, hi, w, x, y, depth):
    """y[r] = W[r, :] . x for rows lo..hi."""
    for r in range(lo, hi, _LINES):
        _dot(w, r * depth, depth, min(_LINES, hi - r), x, depth, y, r)


def _share(n: int, depth: int, unit: int) -> int:
    """How many of n lines of a matrix to take at a time: 2 shares a thread, but not less than 64 KB of memory."""
    share = max(-(-n // (2 * get_num_threads())), 16384 // max(1, depth), 1)
    return -(-share // unit) * unit


def dot_rows(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y (N, R) = x (N, D) . w (R, D)^T for N >= 1."""
    (rows, depth), images = w.shape, len(x)
    if images == 1:
        _dot_one(rows, _share(rows, depth, _LINES), w.reshape(-1), x.reshape(-1), y.reshape(-1), depth)
        return
    padded, deep = -(-images // LANES) * LANES, -(-depth // LANES) * LANES
    packed = scratch("right", deep * padded + SLACK)
    grain = max(64, 65536 // images // LANES * LANES)
    _pack_images(depth, grain, x.reshape(-1), lines(images, depth), images, depth, packed)
    sums = scratch("left", (rows + _LINES) * padded)
    run = _dot_rows(images > COLUMNS, -(-((images - 1) % COLUMNS + 1) // LANES))
    run(rows, _share(rows, depth, _LINES), w.reshape(-1), packed, y.reshape(-1), images, rows, depth, sums)


def _make_add(count: int) -> Any:
    @intrinsic
    def add(typingctx, w, wi, pitch, n, x, xi, depth, sums, si, images, fresh):
        """sums[i, l] (+)= sum over r < count of x[i, r] * W[r, l] for l < n <= _WIDTH; sums: [images][_WIDTH]."""

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            w = e.array(context, given.args[0], *values[0:2])
            x = e.array(context, given.args[4], *values[4:6])
            sums = e.array(context, given.args[7], *values[7:9])
            pitch, n, depth, images, fresh = values[2], values[3], values[6], *values[9:]
            vectors = range(0, _WIDTH, LANES)
            places = [e.at(e.at(w, b.mul(pitch, e.int(r))), v) for r in range(count) for v in vectors]
            masks = [e.first(n, v) for v in vectors] * count
            for place in places:
                e.prefetch(e.at(place, _AHEAD))
            table = e.choose(
                b.icmp_signed(">=", n, e.int(_WIDTH)),
                lambda: [e.load(p) for p in places],
                lambda: [e.masked_load(p, mask) for p, mask in zip(places, masks, strict=True)],
            )

            def image(i: Any, _: list) -> list:
                factors, line = e.at(x, b.mul(i, depth)), e.at(sums, b.mul(i, e.int(_WIDTH)))
                totals = [b.select(fresh, e.const(0), e.load(e.at(line, v))) for v in vectors]
                for r in range(count):
                    factor = e.splat(b.load(e.at(factors, r)))
                    totals = [e.fma(factor, table[r * len(vectors) + v], totals[v]) for v in range(len(vectors))]
                for v, value in zip(vectors, totals, strict=True):
                    e.store(value, e.at(line, v))
                return []

            e.loop(images, [], image)
            return context.get_dummy_value()

        i = types.intp
        return types.void(w, i, i, i, x, i, i, sums, i, i, types.boolean), codegen

    return add


_WIDTH = 2 * LANES
_add8, _add1 = _make_add(8), _make_add(1)


@task
def _add_rows(worker, lo, hi, w, x, y, images, depth, width, sums):
    """y[i, c] = sum over d of x[i, d] * W[d, c] for columns lo..hi."""
    for d in range(0, depth, 8):
        whole = d + 8 <= depth
        for c in range(lo, hi, _WIDTH):
            n, at = min(_WIDTH, hi - c), c * images
            if whole:
                _add8(w, d * width + c, width, n, x, d, depth, sums, at, images, d == 0)
            else:
                for r in range(d, depth):
                    _add1(w, r * width + c, width, n, x, r, depth, sums, at, images, r == 0)
    for c in range(lo, hi, _WIDTH):
        for i in range(images):
            for v in range(min(_WIDTH, hi - c)):
                y[i * width + c + v] = sums[c * images + i * _WIDTH + v]


def add_rows(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y (N, C) = x (N, D) . w (D, C) for a few N >= 1."""
    depth, width = w.shape
    images = len(x)
    # one column of rows of images after the other: at the pitch of y itself they would share few cache sets
    sums = scratch("left", (width + _WIDTH) * images)
    grain = _share(width, depth, _WIDTH)
    _add_rows(width, grain, w.reshape(-1), x.reshape(-1), y.reshape(-1), images, depth, width, sums)

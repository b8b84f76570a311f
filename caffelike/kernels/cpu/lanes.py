"""Convolution of batches of small maps, with one image in each lane of the vectors.

Where a map has 8 rows of 8 pixels, vectors along a row are never full, and packing them costs as much as it saves.
Across the batch they are: the maps are turned once, to [unit][pixel][channel][WIDE images], and then every tap of a
window reads whole vectors as they lie, at any stride; a gradient's taps beside the map are just left out.

Sums are made in the order of correlate.py: forward and the gradient of the maps have the same bits as there.
"""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.correlate import NOTHING, Window
from caffelike.kernels.cpu.gemm import depth_of_block
from caffelike.kernels.jit import kernel, shared
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import AVX, AVX512, LANES, MACHINE, Emit

ROWS: int = {AVX512: 10, AVX: 5}.get(MACHINE, MACHINE.rows)
"""Channels of the result in a tile of `convolve` and of the gradient of the maps; LeNet has 20 and 50.

At most LANES, or a multiple of them.
"""
SQUARE = 5 if MACHINE.rows == 8 else 3  # 32 registers, or 16
"""Channels, and taps, in a tile of the gradient of the weights."""
WIDE = 2 * LANES
"""Images in a unit."""

_FLOATS, _INTS, _INT = types.CPointer(types.float32), types.CPointer(types.int64), types.intp
_ADD, _BIAS = 1, 2


_FULL = 0.95
_LARGEST = 1 << 21  # floats in a batch: turned ones should stay in the caches


def fits(window: Window, maps: tuple[int, ...], out: tuple[int, ...], groups: int) -> bool:
    """Whether maps (N, C, H, W) and out (N, M, OH, OW) nearly fill units and tiles, and are small."""
    if groups != 1 or window.kernel == (1, 1) or 0 in maps or 0 in out:
        return False
    filled = out[1] / (-(-out[1] // ROWS) * ROWS) * maps[0] / (-(-maps[0] // WIDE) * WIDE)
    return filled >= _FULL and max(prod(maps), prod(out)) <= _LARGEST


# Turning batches --------------------------------------------------------------------------------------------------


def _make_turn(lanes: int) -> Any:
    @intrinsic
    def turn(typingctx, to, i, step, source, j, pitch, images, n):
        """to[i + k*step + l] = source[j + l*pitch + k] for k < n <= LANES and l < lanes; 0 for l >= images."""

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            target, step = e.array(context, given.args[0], *values[0:2]), values[2]
            source = e.array(context, given.args[3], *values[3:5])
            pitch, images, n = values[5:]
            lines = [e.at(source, b.mul(pitch, e.int(lane))) for lane in range(LANES)]

            def write(k: int, value: Any) -> None:
                place = e.at(target, b.mul(step, e.int(k)))
                if lanes == LANES:
                    e.store(value, place)
                else:
                    e.masked_store(value, place, e.first(e.int(lanes)))

            full = b.and_(b.icmp_signed(">=", images, e.int(LANES)), b.icmp_signed(">=", n, e.int(LANES)))
            with b.if_else(full) as (whole, part):
                with whole:
                    for k, value in enumerate(e.transpose([e.load(line) for line in lines])):
                        write(k, value)
                with part:
                    here = [b.select(b.icmp_signed(">", images, e.int(lane)), n, e.int(0)) for lane in range(LANES)]
                    loaded = [e.masked_load(line, e.first(m)) for line, m in zip(lines, here, strict=True)]
                    for k, value in enumerate(e.transpose(loaded)):
                        with b.if_then(b.icmp_signed(">", n, e.int(k))):
                            write(k, value)
            return context.get_dummy_value()

        n = types.intp
        return types.void(to, n, n, source, n, n, n, n), codegen

    return turn


_turn, _turn_rows = _make_turn(LANES), _make_turn(min(ROWS, LANES))


@intrinsic
def _turn_back(typingctx, source, j, to, i, pitch, images, n, floor):
    """to[i + l*pitch + k] = max(source[j + k*WIDE + l], floor) for k < n <= LANES and l < images (LANES at most)."""

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        source = e.array(context, given.args[0], *values[0:2])
        target = e.array(context, given.args[2], *values[2:4])
        pitch, images, n, floor = values[4:]
        floor, places = e.splat(floor), [e.at(target, b.mul(pitch, e.int(lane))) for lane in range(LANES)]
        turned = e.transpose([e.at_least(e.load(e.at(source, k * WIDE)), floor) for k in range(LANES)])
        full = b.and_(b.icmp_signed(">=", images, e.int(LANES)), b.icmp_signed(">=", n, e.int(LANES)))
        with b.if_else(full) as (whole, part):
            with whole:
                for value, place in zip(turned, places, strict=True):
                    e.store(value, place)
            with part:
                mask = e.first(n)
                for lane, (value, place) in enumerate(zip(turned, places, strict=True)):
                    with b.if_then(b.icmp_signed(">", images, e.int(lane))):
                        e.masked_store(value, place, mask)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, to, n, n, n, n, types.float32), codegen


@shared(types.void(_FLOATS, _FLOATS, *[_INT] * 6, types.float32))
def to_images(buffer, to, unit, begin, pixels, channels, size, images, floor):
    """Pixels begin .. begin + pixels of a unit's maps (of `size`) from [channel][pixel][WIDE], at least floor each."""
    for half in range(0, WIDE, LANES):
        first = unit * WIDE + half
        for c in range(channels if first < images else 0):
            for p in range(0, pixels, LANES):
                _turn_back(
                    buffer, (c * pixels + p) * WIDE + half, to, (first * channels + c) * size + begin + p,
                    channels * size, images - first, min(LANES, pixels - p), floor,
                )  # fmt: skip


@kernel
def _clear(to, start, step, n):
    for k in range(n):
        for lane in range(WIDE):
            to[start + k * step + lane] = 0


@task
def _turn_maps(worker, lo, hi, source, images, channels, size, pad, to, pitch):
    """The maps lo..hi = (unit, channel) of `source` (images, channels, size), with zeros around them."""
    height, width = size
    wide = width + 2 * pad[1]
    pixels, map_size, step = (height + 2 * pad[0]) * wide, height * width, pitch * WIDE
    lines, line = (1, map_size) if pad[0] == 0 and pad[1] == 0 else (height, width)
    for item in range(lo, hi):
        unit, c = item // channels, item % channels
        start = (unit * pixels * pitch + c) * WIDE
        if lines == height:
            _clear(to, start, step, pad[0] * wide)
            _clear(to, start + (pixels - pad[0] * wide) * step, step, pad[0] * wide)
        for y in range(lines):
            at = start + (pad[0] + y) * wide * step
            _clear(to, at, step, pad[1])
            _clear(to, at + (pad[1] + line) * step, step, pad[1])
            at += pad[1] * step
            for half in range(0, WIDE, LANES):
                left = images - unit * WIDE - half
                place = ((images - max(left, 1)) * channels + c) * map_size + y * line
                for k in range(0, line, LANES):
                    n = min(LANES, line - k)
                    _turn(to, at + k * step + half, step, source, place + k, channels * map_size, left, n)


class Turned(NamedTuple):
    """A batch of maps as [unit][padded pixel][channel, `pitch` of them][WIDE]."""

    values: np.ndarray
    pitch: int
    unit: int  # floats


def _turned(role: str, maps: np.ndarray, pad: tuple[int, ...]) -> Turned:
    n, channels, height, width = maps.shape
    pitch = channels | 1  # pixels at a pitch of a power of two would fall into one set of the first-level cache
    unit = (height + 2 * pad[0]) * (width + 2 * pad[1]) * pitch * WIDE
    units = -(-n // WIDE)
    values = scratch(role, units * unit + SQUARE * WIDE)
    grain = max(1, 65536 // (height * width * WIDE))
    _turn_maps(units * channels, grain, maps.reshape(-1), n, channels, (height, width), pad, values, pitch)
    return Turned(values, pitch, unit)


@task
def _pack(worker, lo, hi, weight, rows, row_pitch, outer, outer_pitch, depth, packed, panel, pitch):
    """packed[b*panel + k*pitch + o*ROWS + r] = weight[(b*ROWS + r)*row_pitch + o*outer_pitch + k]; 0 below the last.

    b counts blocks of rows, from lo to hi, o < outer, k < depth.
    """
    for first in range(lo * ROWS, hi * ROWS, ROWS):
        for k in range(0, depth, LANES):
            n = min(LANES, depth - k)
            for o in range(outer):
                to = first // ROWS * panel + k * pitch + o * ROWS
                source = first * row_pitch + o * outer_pitch + k
                for r in range(0, ROWS, LANES):
                    _turn_rows(packed, to + r, pitch, weight, source + r * row_pitch, row_pitch, rows - first - r, n)


# Products ---------------------------------------------------------------------------------------------------------


@intrinsic
def _tile(typingctx, a, i, x, j, offsets, o, depth, c, k, pitch, bias, flags):
    """C[r, :] = sum over k < depth of A[k, r] * x[j + offsets[o + k]:] for r < ROWS, WIDE numbers each; depth >= 1.

    A: [k][ROWS]; rows of C are `pitch` apart. flags: _ADD to C, or _BIAS: bias[r] is added, last.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        a, x, offsets = (e.at(values[m], values[m + 1]) for m in (0, 2, 4))
        depth, c, pitch, bias, flags = values[6], e.at(values[7], values[8]), *values[9:]

        def step(k: Any, sums: list) -> list:
            place = e.at(x, b.load(e.at(offsets, k)))
            columns, factors = [e.load(place), e.load(e.at(place, LANES))], e.at(a, b.mul(k, e.int(ROWS)))
            result = []
            for r in range(ROWS):
                factor = e.splat(b.load(e.at(factors, r)))
                result += [e.fma(factor, column, sums[2 * r + v]) for v, column in enumerate(columns)]
            return result

        sums = e.loop(depth, [e.const(0)] * (2 * ROWS), step)
        lines = [e.at(c, b.mul(pitch, e.int(r))) for r in range(ROWS)]
        places = [e.at(line, v * LANES) for line in lines for v in (0, 1)]

        def flag(bit: int) -> Any:
            return b.icmp_signed("!=", b.and_(flags, e.int(bit)), e.int(0))

        def fresh() -> list:
            biased = lambda: [e.splat(b.load(e.at(bias, r))) for r in range(ROWS)]  # noqa: E731
            return [v for v in e.choose(flag(_BIAS), biased, lambda: [e.const(0)] * ROWS) for _ in (0, 1)]

        addends = e.choose(flag(_ADD), lambda: [e.load(p) for p in places], fresh)
        for value, addend, place in zip(sums, addends, places, strict=True):
            e.store(b.fadd(value, addend), place)
        return context.get_dummy_value()

    n = types.intp
    return types.void(a, n, x, n, offsets, n, n, c, n, n, bias, n), codegen


@shared(types.void(_FLOATS, _FLOATS, _INTS, _INT, _FLOATS, _INT, _INT, _INT, _INT, _FLOATS, _INT))
def sweep(a, x, offsets, depth, c, pitch, count, step, apart, bias, flags):
    """`count` tiles: the operands in x are `step` apart, the results in C `apart`."""
    for i in range(count):
        _tile(a, 0, x, i * step, offsets, 0, depth, c, i * apart, pitch, bias, flags)


@task
def _convolve(
    worker, lo, hi, x, unit, packed, bias, flags, offsets, y, images, sizes, steps, parts, block, floor, buffer, slot
):
    """Items (unit, range of lines of the result)."""
    rows, height, width, depth = sizes
    blocks = (rows + ROWS - 1) // ROWS
    mine = worker * slot
    own = mine + slot - blocks * ROWS  # the bias, in whole panels
    for r in range(rows if flags else 0):
        buffer[own + r] = bias[r]
    for item in range(lo, hi):
        u, part = item // parts, item % parts
        top, bottom = height * part // parts, height * (part + 1) // parts
        pixels = (bottom - top) * width
        for k in range(0, depth, block):
            for m in range(blocks):
                for line in range(top, bottom):
                    sweep(
                        packed, (m * depth + k) * ROWS, x, u * unit + line * steps[0], offsets, k,
                        min(block, depth - k), buffer, mine + (m * ROWS * pixels + (line - top) * width) * WIDE,
                        pixels * WIDE, width, steps[1], WIDE, buffer, own + m * ROWS, _ADD if k else flags,
                    )  # fmt: skip
        to_images(buffer, mine, y, 0, u, top * width, pixels, rows, height * width, images, floor)


_SHARE = 8192  # floats of results that a thread makes at a time: they stay in the L2 cache


@lru_cache(maxsize=128)
def _taps(channels: int, width: int, pitch: int, window: Window) -> np.ndarray:
    """Where tap k = (c, ky, kx) lies from the window's corner, in turned maps; some more of the last at the end."""
    c = np.arange(channels)[:, None, None]
    y, x = (np.arange(k) * d for k, d in zip(window.kernel, window.dilation, strict=True))
    places = (((y[:, None] * width + x) * pitch + c) * WIDE).reshape(-1).astype(np.int64)
    return np.concatenate([places, np.repeat(places[-1:], SQUARE)])


def _steps(width: int, pitch: int, window: Window) -> tuple[int, int]:
    """From one pixel of the result to the one below and to the next, in turned maps."""
    return window.stride[0] * width * pitch * WIDE, window.stride[1] * pitch * WIDE


def packed_size(weight: np.ndarray) -> int:
    """How many floats pack_weights needs."""
    return -(-len(weight) // ROWS) * ROWS * weight[0].size


def pack_weights(weight: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The weights (M, C, kh, kw) in the order in which `convolve` reads them; returns `to`."""
    depth, blocks = weight[0].size, -(-len(weight) // ROWS)
    _pack(blocks, blocks, weight.reshape(-1), len(weight), depth, 1, 0, depth, to, depth * ROWS, ROWS)
    return to


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    window: Window,
    relu: bool,
    packed: np.ndarray | None,
) -> None:
    """y (N, M, OH, OW) = weight (M, C, kh, kw) . x (N, C, H, W) + bias; packed: what pack_weights gave, if at hand."""
    n, channels, _, width = x.shape
    rows, height, out_width = y.shape[1:]
    depth, blocks = weight[0].size, -(-rows // ROWS)
    if packed is None:
        packed = pack_weights(weight, scratch("left", packed_size(weight)))
    turned = _turned("planes", x, window.pad)
    wide = width + 2 * window.pad[1]
    parts = max(1, min(height, blocks * ROWS * height * out_width * WIDE // _SHARE))
    slot = (blocks * ROWS * -(-height // parts) * out_width + LANES) * WIDE + blocks * ROWS
    _convolve(
        -(-n // WIDE) * parts, 1, turned.values, turned.unit, packed, NOTHING if bias is None else bias,
        0 if bias is None else _BIAS,
        _taps(channels, wide, turned.pitch, window), y.reshape(-1), n, (rows, height, out_width, depth),
        _steps(wide, turned.pitch, window), parts, depth_of_block(depth), np.float32(0 if relu else -np.inf),
        scratch("columns", get_num_threads() * slot), slot,
    )  # fmt: skip


# Gradients --------------------------------------------------------------------------------------------------------


@task
def _spread(worker, lo, hi, d, unit, pitch, packed, offsets, out, images, sizes, window, parts, buffer, slot):
    """Items (unit, range of lines of `out`): what taps of the window bring to each pixel from the turned d."""
    channels, height, width, rows, d_height, d_width = sizes
    kernel, stride, pad, dilation = window
    taps, blocks = kernel[0] * kernel[1], (channels + ROWS - 1) // ROWS
    mine, step = worker * slot, pitch * WIDE
    for item in range(lo, hi):
        u, part = item // parts, item % parts
        top, bottom = height * part // parts, height * (part + 1) // parts
        pixels = (bottom - top) * width
        sums = buffer[mine : mine + blocks * ROWS * pixels * WIDE]
        for i in range(sums.size):
            sums[i] = 0
        for b in range(blocks):
            for line in range(top, bottom):
                to = mine + (b * ROWS * pixels + (line - top) * width) * WIDE
                for ky in range(kernel[0]):
                    y = line + pad[0] - ky * dilation[0]  # stride times the line of d whose tap ky sees this one
                    if y < 0 or y % stride[0] or y // stride[0] >= d_height:
                        continue
                    for kx in range(kernel[1]):
                        at = kx * dilation[1] - pad[1]  # the pixel that d's first sees
                        first = max(0, (stride[1] - 1 - at) // stride[1])
                        last = min(d_width, (width - 1 - at) // stride[1] + 1)
                        if first < last:
                            sweep(
                                packed, (b * taps + ky * kernel[1] + kx) * rows * ROWS, d,
                                u * unit + (y // stride[0] * d_width + first) * step, offsets, 0, rows, buffer,
                                to + (at + first * stride[1]) * WIDE, pixels * WIDE, last - first, step,
                                stride[1] * WIDE, buffer, 0, _ADD,
                            )  # fmt: skip
        to_images(buffer, mine, out, 0, u, top * width, pixels, channels, height * width, images, np.float32(-np.inf))


@intrinsic
def _square(typingctx, x, i, offsets, o, steps, d, j, d_step, size, out, k, pitch, rows, columns, add):
    """out[k + r*pitch + t] (+)= sum over pixels p and images of d[p, r] * x[p, tap t]; r < rows, t < columns.

    rows and columns are at most SQUARE. d: [pixel of `size`], `d_step` apart, [r][WIDE]; x: see `_taps` and `_steps`.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        x, offsets = (e.array(context, given.args[m], *values[m : m + 2]) for m in (0, 2))
        down, right = (b.extract_value(values[4], m) for m in (0, 1))
        d, d_step = e.array(context, given.args[5], *values[5:7]), values[7]
        height, width = (b.extract_value(values[8], m) for m in (0, 1))
        out = e.array(context, given.args[9], *values[9:11])
        pitch, rows, columns, add = values[11:]
        taps = [e.at(x, b.load(e.at(offsets, t))) for t in range(SQUARE)]

        def line(y: Any, sums: list) -> list:
            starts = [e.at(tap, b.mul(y, down)) for tap in taps]
            first = e.at(d, b.mul(b.mul(y, width), d_step))

            def pixel(p: Any, sums: list) -> list:
                here, there = b.mul(p, right), e.at(first, b.mul(p, d_step))
                for half in (0, LANES):
                    seen = [e.load(e.at(e.at(start, here), half)) for start in starts]
                    result = []
                    for r in range(SQUARE):
                        value = e.load(e.at(there, r * WIDE + half))
                        result += [e.fma(value, s, sums[r * SQUARE + t]) for t, s in enumerate(seen)]
                    sums = result
                return sums

            return e.loop(width, sums, pixel)

        sums = e.loop(height, [e.const(0)] * SQUARE**2, line)
        for r in range(SQUARE):
            with b.if_then(b.icmp_signed(">", rows, e.int(r))):
                for t in range(SQUARE):
                    with b.if_then(b.icmp_signed(">", columns, e.int(t))):
                        place, total = e.at(e.at(out, b.mul(pitch, e.int(r))), t), e.total(sums[r * SQUARE + t])
                        b.store(b.select(add, b.fadd(b.load(place), total), total), place)
        return context.get_dummy_value()

    n, pair = types.intp, types.UniTuple(types.intp, 2)
    return types.void(x, n, offsets, n, pair, d, n, n, pair, out, n, n, n, n, types.boolean), codegen


@task
def _weights(worker, lo, hi, x, x_unit, offsets, steps, d, d_unit, pitch, size, out, units, rows, depth, parts, add):
    """Items (SQUARE channels, range of taps) of out (rows, depth), over all units one after the other."""
    squares = (depth + SQUARE - 1) // SQUARE
    for item in range(lo, hi):
        r, part = item // parts * SQUARE, item % parts
        for u in range(units):
            for k in range(squares * part // parts * SQUARE, squares * (part + 1) // parts * SQUARE, SQUARE):
                _square(
                    x, u * x_unit, offsets, k, steps, d, u * d_unit + r * WIDE, pitch * WIDE, size, out, r * depth + k,
                    depth, min(SQUARE, rows - r), min(SQUARE, depth - k), add or u > 0,
                )  # fmt: skip


def gradients(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    window: Window,
    add: bool,
) -> None:
    """The gradients of `convolve`, None where not wanted; add: dweight is added to."""
    n, channels, height, width = x.shape
    rows, size, units = dy.shape[1], dy.shape[2:], -(-n // WIDE)
    taps = window.kernel[0] * window.kernel[1]
    if dx is None and dweight is None:
        return
    d = _turned("turned", dy, (0, 0))
    if dweight is not None:
        maps, wide, depth = _turned("planes", x, window.pad), width + 2 * window.pad[1], channels * taps
        parts = max(1, min(-(-depth // SQUARE), depth * units * size[0] * size[1] // 8192))
        _weights(
            -(-rows // SQUARE) * parts, 1, maps.values, maps.unit, _taps(channels, wide, maps.pitch, window),
            _steps(wide, maps.pitch, window), d.values, d.unit, d.pitch, size, dweight.reshape(-1), units, rows, depth,
            parts, add,
        )  # fmt: skip
    if dx is not None:
        blocks = -(-channels // ROWS)
        packed, step = scratch("left", blocks * ROWS * taps * rows), rows * ROWS
        _pack(
            blocks, blocks, weight.reshape(-1), channels, taps, rows, channels * taps, taps, packed, taps * step, step
        )
        parts = max(1, min(height, blocks * ROWS * height * width * WIDE // _SHARE))
        slot = (blocks * ROWS * -(-height // parts) * width + LANES) * WIDE
        _spread(
            units * parts, 1, d.values, d.unit, d.pitch, packed, _in_order(rows), dx.reshape(-1), n,
            (channels, height, width, rows, *size), tuple(window), parts,
            scratch("columns", get_num_threads() * slot), slot,
        )  # fmt: skip


@lru_cache(maxsize=128)
def _in_order(n: int) -> np.ndarray:
    return np.arange(n) * WIDE

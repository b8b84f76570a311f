"""Sliding-window products of 2-D maps as implicit matrix products: no column buffer is ever written.

Convolution's three passes, and deconvolution's, are made of two forms over a padded copy of a map ("planes"):

    correlate   out[m, p] = sum over k = (c, ky, kx) of A[m, k] * map[c, p shifted by tap (ky, kx)]
    taps        dW[m, k] += sum over p of d[m, p] * map[c, p shifted by tap (ky, kx)]

In both the right operand is packed panel by panel straight from the planes.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.gemm import depth_of_block, lines
from caffelike.kernels.cpu.pack import SLACK, pack_left, pack_planes, pack_right, pack_right_transposed
from caffelike.kernels.cpu.tile import ADD, BIAS, COLUMNS, RELU, ROWS, WIDER, multiply
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit

Pair = tuple[int, ...]


class Window(NamedTuple):
    """How a window slides over a map; all pairs are (y, x)."""

    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair

    def out(self, size: Pair) -> Pair:
        """The size of the output for a map of this size."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )


class Planes(NamedTuple):
    """The padded copy of `channels` maps, split into phases of the stride (see pack_planes)."""

    phases: Pair
    shape: Pair  # of one plane
    more: int  # its rows beyond those of the output
    offsets: np.ndarray  # where tap k = (c, ky, kx) reads for output pixel (0, 0); LANES more at the end
    size: int  # floats, slack included
    image: bool  # the map itself serves: 1 x 1 windows, stride 1, no padding


@lru_cache(maxsize=512)
def planes_of(channels: int, size: Pair, window: Window, mirrored: bool, rows: int = 0) -> Planes:
    """Planes for `rows` rows of the output at a time (0: all); mirrored: taps in reverse order, for gradients."""
    out = window.out(size)
    out = (rows or out[0], out[1])
    kernel, stride, dilation = window.kernel, window.stride, window.dilation
    image = kernel == (1, 1) and stride == (1, 1) and window.pad == (0, 0)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    phases = tuple(min(s, r + 1) for s, r in zip(stride, reach, strict=True))
    shape = tuple(n + r // s for n, r, s in zip(out, reach, stride, strict=True))
    taps = [np.arange(k)[:: -1 if mirrored else 1] * d for k, d in zip(kernel, dilation, strict=True)]
    c = np.arange(channels)[:, None, None]
    y, x = taps[0][:, None], taps[1]
    plane = (c * phases[0] + y % stride[0]) * phases[1] + x % stride[1]
    offsets = ((plane * shape[0] + y // stride[0]) * shape[1] + x // stride[1]).reshape(-1).astype(np.int64)
    total = channels * phases[0] * phases[1] * shape[0] * shape[1]
    offsets = np.concatenate([offsets, np.repeat(offsets[-1:], LANES)])
    return Planes(phases, shape, reach[0] // stride[0], offsets, total + SLACK, image)


@task
def _pack_weights(worker, lo, hi, weight, groups, rows, row_pitch, outer, outer_pitch, taps, block, packed):
    """Left operands of all groups; A[r, k = (o, t)] = weight[group start + r*row_pitch + o*outer_pitch + t]

    into [group][k block][panel][k][ROWS]; an item is one panel of a group. block: a multiple of taps if outer > 1.
    """
    depth, panels = outer * taps, (rows + ROWS - 1) // ROWS
    for item in range(lo, hi):
        g, r = item // panels, item % panels * ROWS
        n = min(ROWS, rows - r)
        # a group owns either a block of the weight's rows or, mirrored, of its outer index: the same size
        source = g * rows * depth + r * row_pitch
        for k in range(0, depth, block):
            kc = min(block, depth - k)
            to = g * panels * ROWS * depth + k * panels * ROWS + r * kc
            if outer == 1:
                pack_left(packed, to, 0, weight, source + k, n, row_pitch, kc, 1)
            elif taps == 1:
                pack_left(packed, to, 0, weight, source + k * outer_pitch, n, row_pitch, kc, outer_pitch)
            else:
                for o in range(k // taps, (k + kc) // taps):
                    at = to + (o * taps - k) * ROWS
                    pack_left(packed, at, 0, weight, source + o * outer_pitch, n, row_pitch, taps, 1)


@kernel
def _pack_last(to, start, source, place, offsets, first, depth):
    """The last column of a panel of WIDER, behind the others."""
    for k in range(depth):
        to[start + COLUMNS * depth + k] = source[place + offsets[first + k]]


@task
def _correlate(worker, lo, hi, maps, packed, bias, out, offsets, sizes, stride, pad, phases, plane, more, parts, block,
               panel, flags, image, planes, planes_slot, buffer, buffer_slot):  # fmt: skip
    """Items (map, group, part) of out[n, g*rows + m, p]; parts: an item's share of (rows, pixels)."""
    groups, channels, height, width, rows, out_height, out_width, depth = sizes
    panels, pixels = (rows + ROWS - 1) // ROWS, out_height * out_width
    own, mine = worker * planes_slot + LANES, worker * buffer_slot  # packing reads some lanes before its lines, too
    for item in range(lo, hi):
        part, ng = item % (parts[0] * parts[1]), item // (parts[0] * parts[1])
        i, j, g = part // parts[1], part % parts[1], ng % groups
        top, bottom = panels * i // parts[0] * ROWS, min(rows, panels * (i + 1) // parts[0] * ROWS)
        strips = (pixels + panel - 1) // panel
        left, right = strips * j // parts[1] * panel, min(pixels, strips * (j + 1) // parts[1] * panel)
        source = ng * channels * height * width
        above = left // out_width  # rows of the output before the part's first
        if not image:
            lines = (right - 1) // out_width + 1 - above + more
            pack_planes(
                planes, own, maps, source, channels, height, width, stride[0], stride[1],
                pad[0] - above * stride[0], pad[1], phases[0], phases[1], plane[0], plane[1], 0, lines,
            )  # fmt: skip
        for k in range(0, depth, block):
            kc = min(block, depth - k)
            todo = ADD if k else flags & BIAS
            if k + kc == depth:
                todo |= flags & RELU
            a = g * panels * ROWS * depth + k * panels * ROWS + top * kc
            for p in range(left, right, panel):
                w = min(panel, right - p)
                packing = min(w, COLUMNS)
                if image:
                    pack_right(buffer, mine, maps, source, offsets, k, kc, p, packing, pixels, 1, 0, 0)
                    if w == WIDER:
                        _pack_last(buffer, mine, maps, source + p + COLUMNS, offsets, k, kc)
                else:
                    place = p - above * out_width
                    pack_right(
                        buffer, mine, planes, own, offsets, k, kc, place, packing, out_width, plane[0], plane[1], 0
                    )
                    if w == WIDER:
                        y, x = (place + COLUMNS) // out_width, (place + COLUMNS) % out_width
                        _pack_last(buffer, mine, planes, own + y * plane[1] + x, offsets, k, kc)
                multiply(
                    packed, a, buffer, mine, out, (ng * rows + top) * pixels + p, bias, g * rows + top,
                    bottom - top, w, kc, pixels, todo,
                )  # fmt: skip


class Plan(NamedTuple):
    """All numbers of one correlate call."""

    planes: Planes
    block: int
    items: int
    sizes: tuple
    parts: Pair
    panel: int


def _panel(pixels: int) -> int:
    """The width of panels that wastes least: 3 or 2 vectors, or 3 and a column; narrow tails run at a lower rate."""

    def cost(width: int) -> float:
        whole, rest = divmod(pixels, width)
        vectors = -(-rest // LANES)
        tail = vectors * LANES * (1.3 if vectors == 1 else 1.05)
        return whole * {COLUMNS: COLUMNS, 2 * LANES: 2.04 * LANES, WIDER: COLUMNS + LANES / ROWS}[width] + tail

    widths = (COLUMNS, 2 * LANES, WIDER) if LANES == 16 else (COLUMNS, 2 * LANES)
    return min(widths, key=lambda width: (cost(width), -width))


@lru_cache(maxsize=512)
def plan_of(
    n: int, groups: int, channels: int, size: Pair, rows: int, window: Window, mirrored: bool, threads: int
) -> Plan:
    """Cut the work of `correlate` into items; nothing here changes the order in which numbers are added."""
    planes = planes_of(channels, size, window, mirrored)
    out = window.out(size)
    pixels, taps = out[0] * out[1], window.kernel[0] * window.kernel[1]
    depth, panel = channels * taps, _panel(pixels)
    strips, panels = -(-pixels // panel), -(-rows // ROWS)
    maps = n * groups
    if threads == 1 or maps >= 4 * threads or maps % threads == 0:
        across = down = 1
    else:  # split maps as well, pixels first: row parts pack the same panels again
        wanted = threads if 2 * maps * rows * depth * pixels < 100_000_000 else 2 * threads
        share = -(-wanted // maps)
        # A row part packs the panels again, but needs its own part of the weights only: better where these are larger
        across = 1 if planes.image and rows > pixels else min(share, strips)
        down = min(panels, share) if across < min(threads, share) else 1
        if down > 1:
            across = 1
    if not planes.image and down == 1:  # planes of a part should stay in the L2 cache while panels are packed from them
        across = max(across, min(strips // 8, planes.size // 100_000))
        band = -(-strips // across) * panel  # pixels; they begin anywhere in a row
        planes = planes_of(channels, size, window, mirrored, min(out[0], (band + out[1] - 2) // out[1] + 1))
    sizes = (groups, channels, *size, rows, *out, depth)
    return Plan(
        planes, depth_of_block(depth, taps if mirrored else 1), maps * down * across, sizes, (down, across), panel
    )


def _left(weight: np.ndarray, groups: int, mirrored: bool) -> tuple[int, int, int]:
    """rows, channels and taps of a group's left operand."""
    taps = weight.shape[2] * weight.shape[3]
    own = len(weight) // groups
    return (weight.shape[1], own, taps) if mirrored else (own, weight.shape[1], taps)


def packed_size(weight: np.ndarray, groups: int, mirrored: bool = False) -> int:
    """How many floats pack_weights needs."""
    rows, channels, taps = _left(weight, groups, mirrored)
    return groups * -(-rows // ROWS) * ROWS * channels * taps + SLACK


def pack_weights(weight: np.ndarray, groups: int, mirrored: bool, to: np.ndarray) -> np.ndarray:
    """The left operand of `correlate` from (groups * M, C, kh, kw), mirrored: (groups * C, M, kh, kw); returns `to`."""
    rows, channels, taps = _left(weight, groups, mirrored)
    depth, panels = channels * taps, -(-rows // ROWS)
    order = (taps, channels, rows * taps, taps) if mirrored else (depth, 1, 0, depth)
    grain, block = max(1, 32768 // (ROWS * depth)), depth_of_block(depth, taps if mirrored else 1)
    _pack_weights(groups * panels, grain, weight.reshape(-1), groups, rows, *order, block, to)
    return to


NOTHING = np.zeros(1, np.float32)
"""Stands for an array that is not there."""


def correlate(
    maps: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    out: np.ndarray,
    window: Window,
    groups: int,
    mirrored: bool = False,
    relu: bool = False,
    packed: np.ndarray | None = None,
) -> None:
    """out (N, groups * M, OH, OW) = weight . maps (N, groups * C, H, W) + bias.

    weight is (groups * M, C, kh, kw); if mirrored it is (groups * C, M, kh, kw) and its taps run backwards.
    packed: what pack_weights gave for these weights, if it is at hand.
    """
    n, size = maps.shape[0], maps.shape[2:]
    channels, rows = maps.shape[1] // groups, out.shape[1] // groups
    threads = get_num_threads()
    if out.size == 0:
        return
    plan = plan_of(n, groups, channels, size, rows, window, mirrored, threads)
    planes = plan.planes
    if packed is None:
        packed = pack_weights(weight, groups, mirrored, scratch("left", packed_size(weight, groups, mirrored)))
    slot, buffer_slot = 0 if planes.image else planes.size, WIDER * plan.block + SLACK
    _correlate(
        plan.items, 1, maps.reshape(-1), packed, NOTHING if bias is None else bias, out.reshape(-1), planes.offsets,
        plan.sizes, window.stride, window.pad, planes.phases, planes.shape, planes.more, plan.parts, plan.block,
        plan.panel, (0 if bias is None else BIAS) | (RELU if relu else 0), planes.image,
        scratch("planes", threads * slot), slot, scratch("right", threads * buffer_slot), buffer_slot,
    )  # fmt: skip


# Spreading: the transpose of correlate at any stride ------------------------------------------------------------


@intrinsic
def _add_taps(typingctx, out, i, n, columns, j, pitch, width, place, step, taps):
    """out[i + l] += sum over t < taps of columns[j + t*pitch + l'], l' = place - t*step + l, where 0 <= l' < width.

    For the lanes l < n <= LANES.
    """

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        target = e.array(context, given.args[0], *values[0:2])
        source = e.array(context, given.args[3], *values[3:5])
        pitch, width, place, step, taps = values[5:]
        mask = e.first(values[2])

        def tap(t: Any, sums: list) -> list:
            shift = b.sub(place, b.mul(t, step))
            inside = b.and_(e.first(b.sub(width, shift)), b.not_(e.first(b.neg(shift))))
            line = e.at(source, b.add(b.mul(t, pitch), shift))
            return [b.fadd(sums[0], e.masked_load(line, b.and_(mask, inside)))]

        e.masked_store(e.loop(taps, [e.masked_load(target, mask)], tap)[0], target, mask)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(out, intp, intp, columns, intp, intp, intp, intp, intp, intp), codegen


@task
def _spread(worker, lo, hi, d, packed, bias, out, offsets, sizes, stride, pad, dilation, kernel, parts, block, biased,
            buffer, buffer_slot, columns, columns_slot):  # fmt: skip
    """Items (map, group, part of the channels) of out[n, g*channels + c, pixel seen] = sum of columns[(c, tap), p]."""
    groups, channels, height, width, depth, out_height, out_width = sizes
    taps, pixels = kernel[0] * kernel[1], out_height * out_width
    mine, own = worker * buffer_slot, worker * columns_slot
    height_a = (channels * taps + ROWS - 1) // ROWS * ROWS
    for item in range(lo, hi):
        part, ng = item % parts, item // parts
        g, c0, c1 = ng % groups, channels * part // parts, channels * (part + 1) // parts
        top, bottom = c0 * taps // ROWS * ROWS, c1 * taps
        for k in range(0, depth, block):
            kc = min(block, depth - k)
            a = (g * depth + k) * height_a + top * kc
            for p in range(0, pixels, COLUMNS):
                w = min(COLUMNS, pixels - p)
                pack_right(buffer, mine, d, ng * depth * pixels, offsets, k, kc, p, w, pixels, 1, 0, 0)
                multiply(
                    packed, a, buffer, mine, columns, own + p, bias, 0, bottom - top, w, kc, pixels, ADD if k else 0
                )
        for c in range(c0, c1):
            start = bias[g * channels + c] if biased else np.float32(0)
            for y in range(height):
                to = ((ng * channels + c) * height + y) * width
                line = out[to : to + width]
                for x in range(width):
                    line[x] = start
                for ky in range(kernel[0]):
                    seen = y + pad[0] - ky * dilation[0]  # stride times the row of d whose tap ky sees this one
                    if seen < 0 or seen % stride[0] or seen // stride[0] >= out_height:
                        continue
                    row = own + ((c * taps + ky * kernel[1]) - top) * pixels + seen // stride[0] * out_width
                    if stride[1] == 1:
                        for x in range(0, width, LANES):
                            n = min(LANES, width - x)
                            _add_taps(
                                out, to + x, n, columns, row, pixels, out_width, x + pad[1], dilation[1], kernel[1]
                            )
                        continue
                    for kx in range(kernel[1]):
                        at = kx * dilation[1] - pad[1]  # the pixel that output 0 sees
                        first = max(0, (stride[1] - 1 - at) // stride[1])
                        for x in range(first, min(out_width, (width - 1 - at) // stride[1] + 1)):
                            out[to + at + x * stride[1]] += columns[row + kx * pixels + x]


def spread(
    d: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, out: np.ndarray, window: Window, groups: int
) -> None:
    """out (N, groups * C, H, W) = the transpose of correlate applied to d (N, groups * M, OH, OW), plus bias.

    weight is (groups * M, C, kh, kw). Columns are made for some channels at a time and added up while in the cache.
    """
    if out.size == 0:
        return
    n, threads = d.shape[0], get_num_threads()
    channels, depth, taps = out.shape[1] // groups, d.shape[1] // groups, window.kernel[0] * window.kernel[1]
    rows, block, pixels = channels * taps, depth_of_block(depth), d.shape[2] * d.shape[3]
    panels = -(-rows // ROWS)
    packed = scratch("left", groups * panels * ROWS * depth + SLACK)
    grain = max(1, 32768 // (ROWS * depth))
    _pack_weights(groups * panels, grain, weight.reshape(-1), groups, rows, 1, depth, rows, 1, block, packed)
    parts = 1 if n * groups % threads == 0 else -(-2 * threads // (n * groups))
    parts = min(channels, max(parts, rows * pixels // 100_000))
    buffer_slot = COLUMNS * block + SLACK
    columns_slot = (-(-channels // parts) * taps + ROWS) * pixels
    sizes = (groups, channels, *out.shape[2:], depth, *d.shape[2:])
    _spread(
        n * groups * parts, 1, d.reshape(-1), packed, NOTHING if bias is None else bias, out.reshape(-1),
        lines(depth, pixels), sizes, window.stride, window.pad, window.dilation, window.kernel, parts, block,
        bias is not None, scratch("right", threads * buffer_slot), buffer_slot,
        scratch("columns", threads * columns_slot), columns_slot,
    )  # fmt: skip


# Gradient with respect to the weights -------------------------------------------------------------------------


@task
def _taps(worker, lo, hi, maps, d, out, offsets, sizes, stride, pad, phases, plane, ranges, runs, pixel_block, add,
          planes, planes_slot, left, left_slot, right, right_slot, image):  # fmt: skip
    """Items (run of maps, group, range of taps) of out[run, g*rows + m, k] (+)= sum over the run's maps and pixels."""
    n, groups, channels, height, width, rows, out_height, out_width, taps = sizes
    depth, pixels = channels * taps, out_height * out_width
    own, mine, buffer = worker * planes_slot + LANES, worker * left_slot, worker * right_slot
    strips = (depth + COLUMNS - 1) // COLUMNS
    for item in range(lo, hi):
        run, g, part = item // (ranges * groups), item // ranges % groups, item % ranges
        first, last = strips * part // ranges * COLUMNS, min(depth, strips * (part + 1) // ranges * COLUMNS)
        c0, c1 = first // taps, (last - 1) // taps + 1
        to = (run * groups + g) * rows * depth
        fresh = not add
        for m in range(n * run // runs, n * (run + 1) // runs):
            source = ((m * groups + g) * channels + c0) * height * width
            if not image:
                pack_planes(
                    planes, own, maps, source, c1 - c0, height, width, stride[0], stride[1], pad[0], pad[1],
                    phases[0], phases[1], plane[0], plane[1], 0, plane[0],
                )  # fmt: skip
            base = offsets[c0 * taps] - offsets[0]
            for p in range(0, pixels, pixel_block):
                kc = min(pixel_block, pixels - p)
                pack_left(left, mine, ROWS * kc, d, (m * groups + g) * rows * pixels + p, rows, pixels, kc, 1)
                for k in range(first, last, COLUMNS):
                    w = min(COLUMNS, last - k)
                    if image:
                        pack_right_transposed(right, buffer, maps, source - base, offsets, k, w, p, kc, pixels, 1, 0, 0)
                    else:
                        pack_right_transposed(
                            right, buffer, planes, own - base, offsets, k, w, p, kc, out_width, out_height, plane[1], 0
                        )
                    multiply(left, mine, right, buffer, out, to + k, left, 0, rows, w, kc, depth, 0 if fresh else ADD)
                fresh = False


@task
def _add_parts(worker, lo, hi, parts, n, size, out, add):
    """out[i] = (out[i] +) parts[0, i] + parts[1, i] + ..., in this order."""
    to = out[lo:hi]
    for p in range(n):
        part = parts[p * size + lo : p * size + hi]
        if p == 0 and not add:
            for i in range(hi - lo):
                to[i] = part[i]
        else:
            for i in range(hi - lo):
                to[i] += part[i]


def correlate_weights(maps: np.ndarray, d: np.ndarray, out: np.ndarray, window: Window, groups: int, add: bool) -> None:
    """out (groups * M, C, kh, kw) (+)= d (N, groups * M, OH, OW) against maps (N, groups * C, H, W), over the batch."""
    n, size, taps = maps.shape[0], maps.shape[2:], window.kernel[0] * window.kernel[1]
    channels, rows, threads = maps.shape[1] // groups, d.shape[1] // groups, get_num_threads()
    planes = planes_of(channels, size, window, False)
    height, width = d.shape[2:]
    if d.size == 0:
        if not add:
            out[...] = 0
        return
    depth, panels = channels * taps, -(-rows // ROWS)
    strips = -(-depth // COLUMNS)
    # Few tiles of output: runs of maps go to separate sums. Their number depends on shapes alone.
    runs = max(1, min(n, 16 // (groups * strips)))
    ranges = max(1, min(strips, -(-threads // (groups * runs))))  # each packs d for itself: no more than needed
    block = depth_of_block(height * width)
    left_slot, right_slot = panels * ROWS * block + SLACK, COLUMNS * block + SLACK * 3
    to = out.reshape(-1) if runs == 1 else scratch("parts", runs * out.size)
    slot = 0 if planes.image else planes.size
    _taps(
        runs * groups * ranges, 1, maps.reshape(-1), d.reshape(-1), to, planes.offsets,
        (n, groups, channels, *size, rows, height, width, taps), window.stride, window.pad, planes.phases,
        planes.shape, ranges, runs, block, add and runs == 1,
        scratch("planes", threads * slot), slot, scratch("left", threads * left_slot), left_slot,
        scratch("right", threads * right_slot), right_slot, planes.image,
    )  # fmt: skip
    if runs > 1:
        _add_parts(out.size, 16384, to, runs, out.size, out.reshape(-1), add)

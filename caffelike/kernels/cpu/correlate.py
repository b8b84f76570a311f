"""Sliding-window products of 2-D maps as implicit matrix products: no column buffer is ever written.

Convolution's three passes, and deconvolution's, are made of two forms over a padded copy of a map ("planes"):

    correlate   out[m, p] = sum over k = (c, ky, kx) of A[m, k] * map[c, p shifted by tap (ky, kx)]
    taps        dW[m, k] += sum over p of d[m, p] * map[c, p shifted by tap (ky, kx)]

In both the right operand is packed panel by panel straight from the planes.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu import dots, unpacked
from caffelike.kernels.cpu.gemm import depth_of_block, lines
from caffelike.kernels.cpu.pack import SLACK, pack_left, pack_planes, pack_right, pack_right_transposed
from caffelike.kernels.cpu.tile import (
    ADD,
    BIAS,
    COLUMNS,
    DEPTH,
    RELU,
    ROWS,
    WIDER,
    flags_of_block,
    multiply,
    multiply_asking,
)
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import by_hand, get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit, ask

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
    item = lo
    while item < hi:  # those of one group at a time
        g, r = item // panels, item % panels * ROWS
        n = min((hi - item) * ROWS, rows - r)
        item += (n + ROWS - 1) // ROWS
        # a group owns either a block of the weight's rows or, mirrored, of its outer index: the same size
        source = g * rows * depth + r * row_pitch
        for k in range(0, depth, block):
            kc = min(block, depth - k)
            to, pitch = g * panels * ROWS * depth + k * panels * ROWS + r * kc, ROWS * kc
            if outer == 1:
                pack_left(packed, to, pitch, weight, source + k, n, row_pitch, kc, 1)
            elif taps == 1:
                pack_left(packed, to, pitch, weight, source + k * outer_pitch, n, row_pitch, kc, outer_pitch)
            else:
                for o in range(k // taps, (k + kc) // taps):
                    at = to + (o * taps - k) * ROWS
                    pack_left(packed, at, pitch, weight, source + o * outer_pitch, n, row_pitch, taps, 1)


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
            todo = flags_of_block(flags, k == 0, k + kc == depth)
            a = g * panels * ROWS * depth + k * panels * ROWS + top * kc
            for p in range(left, right, panel):
                w = min(panel, right - p)
                packing = min(w, COLUMNS)
                if image:
                    pack_right(buffer, mine, maps, source, offsets, k, kc, p, packing, pixels, 1, 0, 0)
                    if w == WIDER:
                        _pack_last(buffer, mine, maps, source + p + COLUMNS, offsets, k, kc)
                    if w > 2 * LANES:
                        place, following = source + left, k + kc
                        if p + panel < right:
                            place, following = source + p + panel, k
                        elif following == depth:
                            place, following = source + left + channels * height * width, 0
                        multiply_asking(
                            packed, a, buffer, mine, out, (ng * rows + top) * pixels + p, bias, g * rows + top,
                            maps, place, offsets, min(following, depth - kc), bottom - top, w, kc, pixels, todo,
                        )  # fmt: skip
                        continue
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
    else:  # split maps as well: their pixels, or where that gives uneven parts their rows, which packs panels again
        wanted = threads if 2 * maps * rows * depth * pixels < 100_000_000 else 2 * threads
        across, down, least = min(-(-wanted // maps), strips), 1, -(-threads // maps)
        if across < least or (rows > pixels and -(-strips // least) * panel * least > 1.12 * pixels):
            across, down = 1, min(panels, least)
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
    grain, block = max(2, 32768 // (ROWS * depth)), depth_of_block(depth, taps if mirrored else 1)
    _pack_weights(groups * panels, grain, weight.reshape(-1), groups, rows, *order, block, to)
    return to


@intrinsic
def _every_second(typingctx, to, i, source, j, n):
    """to[i + l] = source[j + 2*l] for l < min(n, LANES); nothing behind the last of them is read."""

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        target, origin = e.array(context, given.args[0], *values[:2]), e.array(context, given.args[2], *values[2:4])
        n, even = values[4], list(range(0, LANES, 2))
        with b.if_else(b.icmp_signed(">=", n, e.int(LANES))) as (whole, part):
            with whole:
                second = e.load(e.at(origin, LANES - 1))  # a number earlier, or it would end behind the last
                e.store(e.shuffle(e.load(origin), second, even + [LANES + 1 + k for k in even]), target)
            with part:
                last = b.sub(b.mul(n, e.int(2)), e.int(1))
                halves = [e.masked_load(e.at(origin, at), e.first(last, at)) for at in (0, LANES)]
                e.masked_store(e.shuffle(*halves, even + [LANES + k for k in even]), target, e.first(n))
        return context.get_dummy_value()

    n = types.intp
    return types.void(to, n, source, n, n), codegen


_LINES_AHEAD = 32  # enough are then under way; processors do not see by themselves where lines that are seen go on


@task
def _sample(worker, lo, hi, maps, to, size, stride, out):
    """The planes lo..hi of every stride-th pixel."""
    for plane in range(lo, hi):
        for y in range(out[0]):
            later = y + _LINES_AHEAD
            ask(maps, ((plane + later // out[0]) * size[0] + later % out[0] * stride[0]) * size[1], size[1])
            source, target = (plane * size[0] + y * stride[0]) * size[1], (plane * out[0] + y) * out[1]
            if stride[1] == 2:
                for x in range(0, out[1], LANES):
                    _every_second(to, target + x, maps, source + 2 * x, out[1] - x)
                continue
            for x in range(out[1]):
                to[target + x] = maps[source + x * stride[1]]


def _seen_only(maps: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
    """The pixels that a window of 1 x 1 sees, as maps of their own, and the window over those: all of it is dense."""
    if window.kernel != (1, 1) or window.pad != (0, 0) or window.stride == (1, 1):
        return maps, window
    size, out = maps.shape[2:], window.out(maps.shape[2:])
    planes = maps.shape[0] * maps.shape[1]
    to = scratch("sampled", planes * out[0] * out[1])[: planes * out[0] * out[1]]
    if to.size:
        grain = max(1, 8192 // (out[0] * out[1]))
        _sample(planes, grain, maps.reshape(-1), to, size, window.stride, out)
    return to.reshape(*maps.shape[:2], *out), Window((1, 1), (1, 1), (0, 0), (1, 1))


NOTHING = np.zeros(4, np.float32)
"""Stands for an array that is not there, and for the bias of four channels."""


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
    add: bool = False,
) -> None:
    """out (N, groups * M, OH, OW) = weight . maps (N, groups * C, H, W) + bias, + out itself if add.

    weight is (groups * M, C, kh, kw); if mirrored it is (groups * C, M, kh, kw) and its taps run backwards.
    packed: what pack_weights gave for these weights, if it is at hand.
    """
    maps, window = _seen_only(maps, window)
    n, size = maps.shape[0], maps.shape[2:]
    channels, rows = maps.shape[1] // groups, out.shape[1] // groups
    threads = get_num_threads()
    if out.size == 0:
        return
    flags = (0 if bias is None else BIAS) | (RELU if relu else 0) | (ADD if add else 0)
    if packed is None:
        packed = pack_weights(weight, groups, mirrored, scratch("left", packed_size(weight, groups, mirrored)))
    if groups == 1 and window.kernel != (1, 1) and unpacked.fits(rows, out.shape[3], channels):
        _by_rows(maps, packed, bias, out, window, mirrored, flags)
        return
    plan = plan_of(n, groups, channels, size, rows, window, mirrored, threads)
    planes = plan.planes
    slot, buffer_slot = 0 if planes.image else planes.size, WIDER * plan.block + SLACK
    _correlate(
        plan.items, 1, maps.reshape(-1), packed, NOTHING if bias is None else bias, out.reshape(-1), planes.offsets,
        plan.sizes, window.stride, window.pad, planes.phases, planes.shape, planes.more, plan.parts, plan.block,
        plan.panel, flags, planes.image,
        scratch("planes", threads * slot), slot, scratch("right", threads * buffer_slot), buffer_slot,
    )  # fmt: skip


def _by_rows(maps, packed, bias, out, window, mirrored, flags):
    """`correlate` with nothing packed but the weights: bands of rows, as even as threads want them."""
    n, channels, size = len(maps), maps.shape[1], maps.shape[2:]
    (rows, height, width), threads, taps = out.shape[1:], get_num_threads(), window.kernel[0] * window.kernel[1]
    line = maps[0].size // size[0] * window.stride[0]  # of the planes, for a row of the output
    bands = -(-height // max(8, 24_000 // line))
    high = -(-height // (bands if n % threads == 0 else -(-bands // threads) * threads))  # the same for each thread
    planes = planes_of(channels, size, window, mirrored, high)
    depth = channels * taps
    unpacked.rows_of_output(
        n * -(-height // high), 1, maps.reshape(-1), packed, NOTHING if bias is None else bias, out.reshape(-1),
        planes.offsets, (channels, *size, rows, height, width, depth), window.stride, window.pad, planes.phases,
        planes.shape, planes.more, high, depth_of_block(depth, taps if mirrored else 1), flags,
        scratch("planes", threads * planes.size), planes.size,
    )  # fmt: skip


# Spreading: the transpose of correlate at any stride ------------------------------------------------------------


def _make_add_taps(count: int) -> Any:
    @intrinsic
    def add_taps(typingctx, out, i, map_pitch, n, start, si, columns, j, lines, line_pitch, taps, pitch, step, seen, s):
        """The sums that taps of a window give, for `count` channels c and the lanes l < n <= LANES:

        out[i + c*map_pitch + l] = start[si + c] + sum over ky < lines, kx < taps of
        columns[j + c*channel + ky*line_pitch + kx*(pitch - dilation) + l], with step = (dilation, channel).
        seen[s + kx*LANES + l] has all bits set where tap kx sees lane l, else none: what lies beside a line of columns
        is read, and cleared. lines >= 1.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            bits = ir.VectorType(ir.IntType(32), LANES)
            target = e.array(context, given.args[0], *values[0:2])
            begin = e.array(context, given.args[4], *values[4:6])
            source = e.array(context, given.args[6], *values[6:8])
            lines, line_pitch, taps, pitch = values[8:12]
            dilation, channel = (b.extract_value(values[12], k) for k in range(2))
            table = b.bitcast(e.array(context, given.args[13], *values[13:15]), source.type)
            maps = [e.at(source, b.mul(channel, e.int(c))) for c in range(count)]

            def line(ky: Any, sums: list) -> list:
                at = b.mul(ky, line_pitch)

                def tap(kx: Any, sums: list) -> list:
                    mask = b.bitcast(e.load(e.at(table, b.mul(kx, e.int(LANES)))), bits)
                    there = b.add(at, b.mul(kx, b.sub(pitch, dilation)))
                    seen = [b.and_(b.bitcast(e.load(e.at(m, there)), bits), mask) for m in maps]
                    return [b.fadd(a, b.bitcast(value, e.vector)) for a, value in zip(sums, seen, strict=True)]

                return e.loop(taps, sums, tap)

            totals = e.loop(lines, [e.splat(b.load(e.at(begin, c))) for c in range(count)], line)
            for c, total in enumerate(totals):
                e.masked_store(total, e.at(target, b.mul(values[2], e.int(c))), e.first(values[3]))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, n, start, n, columns, n, n, n, n, n, types.UniTuple(n, 2), seen, n), codegen

    return add_taps


_add_taps4, _add_taps1 = _make_add_taps(4), _make_add_taps(1)


@lru_cache(maxsize=128)
def _seen(width: int, out_width: int, taps: int, pad: int, dilation: int) -> np.ndarray:
    """int32 (vectors of a line of the map * taps * LANES): -1 where a tap sees a pixel of d, else 0; at stride 1."""
    x = np.arange(-(-width // LANES) * LANES).reshape(-1, 1, LANES)
    place = x + pad - np.arange(taps)[:, None] * dilation
    return np.where((place >= 0) & (place < out_width), -1, 0).astype(np.int32).reshape(-1)


@intrinsic
def _apart_by_2(typingctx, to, i, source, j, n, start):
    """to[i + 2*l] = source[j + l] + start and to[i + 2*l + 1] = start; n <= 2*LANES numbers are written."""

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        target, origin = e.array(context, given.args[0], *values[:2]), e.array(context, given.args[2], *values[2:4])
        half, start = b.sdiv(b.add(values[4], e.int(1)), e.int(2)), e.splat(values[5])
        value = b.fadd(e.masked_load(origin, e.first(half)), start)
        zipped = [k for lane in range(LANES) for k in (lane, LANES + lane)]
        for v in range(2):
            part = e.shuffle(value, start, zipped[v * LANES : (v + 1) * LANES])
            e.masked_store(part, e.at(target, v * LANES), e.first(values[4], v * LANES))
        return context.get_dummy_value()

    n = types.intp
    return types.void(to, n, source, n, n, types.float32), codegen


@task
def _apart(worker, lo, hi, few, out, bias, biased, channels, seen, size, stride):
    """The planes lo..hi of out: every stride-th pixel from `few`, 0 between them; plus the bias."""
    for plane in range(lo, hi):
        start = bias[plane % channels] if biased else np.float32(0)
        for y in range(size[0]):
            to, row = (plane * size[0] + y) * size[1], (plane * seen[0] + y // stride[0]) * seen[1]
            if y % stride[0] == 0 and stride[1] == 2:
                for x in range(0, size[1], 2 * LANES):
                    _apart_by_2(out, to + x, few, row + x // 2, min(2 * LANES, size[1] - x), start)
                continue
            line = out[to : to + size[1]]
            for x in range(size[1]):
                line[x] = start
            if y % stride[0] == 0:
                for x in range(seen[1]):
                    out[to + x * stride[1]] += few[row + x]


@kernel
def _add_lines(out, to, bias, b, columns, own, count, sizes, pad, dilation, kernel, seen):
    """The maps of `count` channels (4 or 1) from their columns, at stride 1."""
    _, _, height, width, _, out_height, out_width = sizes
    pixels = out_height * out_width
    pitch = kernel[1] * pixels - dilation[0] * out_width
    step = (dilation[1], kernel[0] * kernel[1] * pixels)
    for y in range(height):
        # taps first <= ky < last of the window see rows y + pad - ky * dilation of d
        first = max(0, (y + pad[0] - out_height) // dilation[0] + 1)
        last = min(kernel[0], (y + pad[0]) // dilation[0] + 1)
        row = own + first * kernel[1] * pixels + (y + pad[0] - first * dilation[0]) * out_width + pad[1]
        for x in range(0, width, LANES):
            n, at = min(LANES, width - x), to + y * width + x
            if first >= last:
                for c in range(count):
                    out[at + c * height * width : at + c * height * width + n] = bias[b + c]
            elif count == 4:
                _add_taps4(
                    out, at, height * width, n, bias, b, columns, row + x, last - first, pitch, kernel[1], pixels, step,
                    seen, x * kernel[1],
                )  # fmt: skip
            else:
                _add_taps1(
                    out, at, height * width, n, bias, b, columns, row + x, last - first, pitch, kernel[1], pixels, step,
                    seen, x * kernel[1],
                )  # fmt: skip


@task
def _spread(worker, lo, hi, d, packed, bias, out, offsets, sizes, stride, pad, dilation, kernel, parts, block, biased,
            seen, buffer, buffer_slot, columns, columns_slot, beside):  # fmt: skip
    """Items (map, group, part of the channels) of out[n, g*channels + c, pixel seen] = sum of columns[(c, tap), p]."""
    groups, channels, height, width, depth, out_height, out_width = sizes
    taps, pixels = kernel[0] * kernel[1], out_height * out_width
    mine, own = worker * buffer_slot, worker * columns_slot + beside
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
        if stride[0] == stride[1] == 1:
            c = c0
            while c < c1:
                several = 4 if c + 4 <= c1 else 1
                _add_lines(
                    out, (ng * channels + c) * height * width, bias, (g * channels + c) * biased, columns,
                    own + (c * taps - top) * pixels, several, sizes, pad, dilation, kernel, seen,
                )  # fmt: skip
                c += several
            continue
        for c in range(c0, c1):
            start = bias[g * channels + c] if biased else np.float32(0)
            for y in range(height):
                to = ((ng * channels + c) * height + y) * width
                line = out[to : to + width]
                for x in range(width):
                    line[x] = start
                for ky in range(kernel[0]):
                    from_y = y + pad[0] - ky * dilation[0]  # stride times the row of d whose tap ky sees this one
                    if from_y < 0 or from_y % stride[0] or from_y // stride[0] >= out_height:
                        continue
                    row = own + ((c * taps + ky * kernel[1]) - top) * pixels + from_y // stride[0] * out_width
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
    if window.kernel == (1, 1) and window.pad == (0, 0):
        planes, pixels, grain = out.shape[0] * out.shape[1], d[0, 0].size, max(1, 16384 // out[0, 0].size)
        few = scratch("sampled", planes * pixels)[: planes * pixels]
        dense = Window((1, 1), (1, 1), (0, 0), (1, 1))
        correlate(d, weight, None, few.reshape(*out.shape[:2], *d.shape[2:]), dense, groups, mirrored=True)
        _apart(
            planes, grain, few, out.reshape(-1), NOTHING if bias is None else bias, bias is not None, out.shape[1],
            d.shape[2:], out.shape[2:], window.stride,
        )  # fmt: skip
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
    beside = LANES + window.pad[1] + window.kernel[1] * window.dilation[1] + out.shape[3]  # read around columns
    columns_slot = (-(-channels // parts) * taps + ROWS) * pixels + 2 * beside
    seen = _seen(out.shape[3], d.shape[3], window.kernel[1], window.pad[1], window.dilation[1])
    sizes = (groups, channels, *out.shape[2:], depth, *d.shape[2:])
    _spread(
        n * groups * parts, 1, d.reshape(-1), packed, NOTHING if bias is None else bias, out.reshape(-1),
        lines(depth, pixels), sizes, window.stride, window.pad, window.dilation, window.kernel, parts, block,
        bias is not None, seen, scratch("right", threads * buffer_slot), buffer_slot,
        scratch("columns", threads * columns_slot), columns_slot, beside,
    )  # fmt: skip


# Gradient with respect to the weights -------------------------------------------------------------------------


@task
def _taps(worker, lo, hi, maps, d, out, offsets, sizes, stride, pad, phases, plane, ranges, runs, together, block, add,
          planes, planes_slot, left, left_slot, right, right_slot, image):  # fmt: skip
    """Items (run of maps, group, range of taps) of out[run, g*rows + m, k] (+)= sum over the run's maps and pixels.

    together: how many maps make one block of the sum, where their pixels fit; else 1, and `block` pixels make one.
    """
    n, groups, channels, height, width, rows, out_height, out_width, taps = sizes
    depth, pixels = channels * taps, out_height * out_width
    own, mine, buffer = worker * planes_slot + LANES, worker * left_slot, worker * right_slot
    strips = (depth + COLUMNS - 1) // COLUMNS
    one_map = planes_slot // together
    for item in range(lo, hi):
        run, g, part = item // (ranges * groups), item // ranges % groups, item % ranges
        first, last = strips * part // ranges * COLUMNS, min(depth, strips * (part + 1) // ranges * COLUMNS)
        c0, c1 = first // taps, (last - 1) // taps + 1
        base = offsets[c0 * taps] - offsets[0]
        to = (run * groups + g) * rows * depth
        fresh = not add
        end = n * (run + 1) // runs
        for m in range(n * run // runs, end, together):
            several = min(together, end - m)
            source = ((m * groups + g) * channels + c0) * height * width
            if not image:
                for i in range(several):
                    pack_planes(
                        planes, own + i * one_map, maps, source + i * groups * channels * height * width, c1 - c0,
                        height, width, stride[0], stride[1], pad[0], pad[1], phases[0], phases[1], plane[0], plane[1],
                        0, plane[0],
                    )  # fmt: skip
            for p in range(0, pixels, block):
                kc = min(block, pixels - p)
                for i in range(several):
                    pack_left(
                        left, mine + i * ROWS * kc, ROWS * kc * several, d, ((m + i) * groups + g) * rows * pixels + p,
                        rows, pixels, kc, 1,
                    )  # fmt: skip
                kc *= several
                for k in range(first, last, COLUMNS):
                    w = min(COLUMNS, last - k)
                    if image:
                        pack_right_transposed(
                            right, buffer, maps, source - base, offsets, k, w, p, kc, pixels, 1, 0,
                            groups * channels * pixels,
                        )  # fmt: skip
                    else:
                        pack_right_transposed(
                            right, buffer, planes, own - base, offsets, k, w, p, kc, out_width, out_height, plane[1],
                            one_map,
                        )  # fmt: skip
                    multiply(left, mine, right, buffer, out, to + k, left, 0, rows, w, kc, depth, 0 if fresh else ADD)
                fresh = False


@task
def _blocks(worker, lo, hi, maps, d, out, offsets, spans, sizes, runs, parts, together, held, high, wide, add,
            left, left_slot, right, right_slot):  # fmt: skip
    """Items (run of maps, group, part of the rows, part of the channels) of out[run, g*rows + r, c] (+)= sum over maps.

    As _taps, for windows of 1 x 1 where all pixels of `together` maps make one block of the sum. Either all rows of
    `held` maps stay packed and channels pass by, `wide` = COLUMNS at a time, or all channels stay and `high` rows at a
    time pass by: those are asked for meanwhile. spans: where the pieces of COLUMNS floats begin that make up COLUMNS
    channels of a block, in maps, and behind them as many in d.
    """
    n, groups, channels, rows, pixels = sizes
    panels, strips = (rows + ROWS - 1) // ROWS, (channels + COLUMNS - 1) // COLUMNS
    mine, buffer, deep = worker * left_slot, worker * right_slot, together * pixels
    for item in range(lo, hi):
        i, j, g = item // parts[1] % parts[0], item % parts[1], item // (parts[0] * parts[1]) % groups
        run = item // (parts[0] * parts[1] * groups)
        top, bottom = panels * i // parts[0] * ROWS, min(rows, panels * (i + 1) // parts[0] * ROWS)
        first, last = strips * j // parts[1] * COLUMNS, min(channels, strips * (j + 1) // parts[1] * COLUMNS)
        start, end = n * run // runs, n * (run + 1) // runs
        passing = high < rows  # rows
        left_pitch = 0 if passing else (bottom - top + ROWS) * deep
        right_pitch = (last - first + COLUMNS) * deep if passing else 0
        for m0 in range(start, end, held):
            for r in range(top, bottom, high):
                for c in range(first, last, wide):
                    for m in range(m0, min(m0 + held, end), together):
                        several, number = min(together, end - m), (m - m0) // together
                        kc, h = several * pixels, min(high, bottom - r)
                        a = mine + number * left_pitch
                        if c == first:
                            for k in range(several):
                                at = (((m + k) * groups + g) * rows + r) * pixels
                                pack_left(left, a + k * ROWS * pixels, ROWS * kc, d, at, h, pixels, pixels, 1)
                        after, next_r, next_c = m + together, r, c
                        if after >= min(m0 + held, end):
                            after, next_r, next_c = m0, r + high, c + wide
                            if (next_r >= bottom) if passing else (next_c >= last):
                                after, next_r, next_c = m0 + held, top, first
                        for k in range(c, min(c + wide, last), COLUMNS):
                            w, b = min(COLUMNS, last - k), buffer + number * right_pitch
                            if passing:
                                b += (k - first) * deep
                            if r == top:
                                pack_right_transposed(
                                    right, b, maps, (m * groups + g) * channels * pixels, offsets, k, w, 0, kc, pixels,
                                    1, 0, groups * channels * pixels,
                                )  # fmt: skip
                            to = (run * groups + g) * rows * channels + r * channels + k
                            todo = ADD if add or m > start else 0
                            if w <= 2 * LANES or k - first >= high or after >= end:
                                multiply(left, a, right, b, out, to, left, 0, h, w, kc, channels, todo)
                            elif passing:
                                at = ((after * groups + g) * rows + next_r + k - first) * pixels
                                multiply_asking(
                                    left, a, right, b, out, to, left, 0, d, at, spans, deep, h, w, kc, channels, todo
                                )
                            else:
                                at = ((after * groups + g) * channels + next_c) * pixels
                                multiply_asking(
                                    left, a, right, b, out, to, left, 0, maps, at, spans, 0, h, w, kc, channels, todo
                                )


@lru_cache(maxsize=128)
def _spans(together: int, pixels: int, *pitches: int) -> np.ndarray:
    """Where COLUMNS lines of `together` maps lie, whose maps are `pitch` apart: pieces of COLUMNS."""
    m, k = np.arange(together)[:, None], np.arange(pixels)
    return np.concatenate([(m * pitch + k * COLUMNS).reshape(-1) for pitch in pitches]).astype(np.int64)


def _block_gradient(maps, d, out, offsets, groups, runs, together, add):
    """Launch _blocks; out has room for all runs."""
    n, pixels, threads = len(d), d.shape[2] * d.shape[3], get_num_threads()
    channels, rows, deep = maps.shape[1] // groups, d.shape[1] // groups, together * pixels
    panels, strips = -(-rows // ROWS), -(-channels // COLUMNS)
    share = -(-threads // (groups * runs))
    passing = rows > max(channels, 2 * COLUMNS)  # rows pass by; the larger matrix is cut
    down, across = 1, min(share, strips)
    if passing:
        across = -(-channels * deep // _HELD)
        down = min(-(-share // across), panels)
    own_rows, own_channels = (-(-panels // down) + 1) * ROWS, (-(-strips // across) + 1) * COLUMNS
    high, wide = (2 * COLUMNS, channels) if passing else (rows, COLUMNS)
    held = max(1, min(-(-n // runs // together), _HELD // ((own_channels if passing else own_rows) * deep)))
    left_slot = (high if passing else held * own_rows) * deep + SLACK
    right_slot = (held * own_channels if passing else COLUMNS) * deep + 3 * SLACK
    _blocks(
        runs * groups * down * across, 1, maps.reshape(-1), d.reshape(-1), out, offsets,
        _spans(together, pixels, groups * channels * pixels, groups * rows * pixels),
        (n, groups, channels, rows, pixels), runs, (down, across), together, held * together, high, wide, add,
        scratch("left", threads * left_slot), left_slot, scratch("right", threads * right_slot), right_slot,
    )  # fmt: skip


_HELD = 120_000  # floats: they stay in the second-level cache


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
    maps, window = _seen_only(maps, window)
    n, size, taps = maps.shape[0], maps.shape[2:], window.kernel[0] * window.kernel[1]
    channels, rows, threads = maps.shape[1] // groups, d.shape[1] // groups, get_num_threads()
    planes = planes_of(channels, size, window, False)
    height, width = d.shape[2:]
    if d.size == 0:
        by_hand()
        if not add:
            out[...] = 0
        return
    if planes.image and height * width >= dots.FEWEST:
        dots.weight_gradient(maps, d, out, groups, add)
        return
    depth, panels = channels * taps, -(-rows // ROWS)
    strips = -(-depth // COLUMNS)
    # Few tiles of output: runs of maps go to separate sums, few of large ones. Their number depends on shapes alone.
    runs = max(1, min(n, 32 // (groups * strips), max(2, 262144 // out.size)))
    runs -= runs % 2 if runs > 1 else 0  # three would keep one of two threads waiting
    ranges = max(1, min(strips, -(-threads // (groups * runs))))  # each packs d for itself: no more than needed
    block = depth_of_block(height * width)
    together = max(1, min(n // runs, DEPTH // (height * width)))
    to = out.reshape(-1) if runs == 1 else scratch("parts", runs * out.size)
    if planes.image and block == height * width:
        _block_gradient(maps, d, to, planes.offsets, groups, runs, together, add and runs == 1)
    else:
        deep, slot = together * block, 0 if planes.image else planes.size * together
        left_slot, right_slot = panels * ROWS * deep + SLACK, COLUMNS * deep + SLACK * 3
        _taps(
            runs * groups * ranges, 1, maps.reshape(-1), d.reshape(-1), to, planes.offsets,
            (n, groups, channels, *size, rows, height, width, taps), window.stride, window.pad, planes.phases,
            planes.shape, ranges, runs, together, block, add and runs == 1,
            scratch("planes", threads * slot), slot, scratch("left", threads * left_slot), left_slot,
            scratch("right", threads * right_slot), right_slot, planes.image,
        )  # fmt: skip
    if runs > 1:
        _add_parts(out.size, 16384, to, runs, out.size, out.reshape(-1), add)

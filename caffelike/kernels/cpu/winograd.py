"""Convolution with 3 x 3 and 5 x 5 windows at stride 1 after Winograd: fewer products, blocks of tiles at a time.

A block of tiles (rows of a map, or several small maps) goes through three passes that leave everything in the cache:
transform the input, n*n products of matrices over the channels, transform back with bias and clipping.
Streams of one block lie a cache line more than their length apart: else all of them would share a cache set.
With enough blocks each thread takes its own; otherwise all threads share one block and meet after each pass.

While a net learns, its weights are others each time. Where there are few tiles for them, it takes long to write them
transformed and to read them again: there a thread transforms those of some output channels at a time, and multiplies
with them while they are in its cache.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from caffelike.kernels.cpu.pack import SLACK
from caffelike.kernels.cpu.tile import ADD, BIAS, COLUMNS, HALVE, RELU, ROWS, WIDER, multiply
from caffelike.kernels.cpu.transforms import kind, transform_input, transform_output, transform_weights
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, ask

_BLOCK = 112  # tiles that a block of whole maps may have
_FAR = 300  # tiles of a block of whole maps that would take twice as long, for their products leave the caches
_LARGEST = 150  # tiles in a block of one map; larger maps are cut
_CACHED = 128 * 1024  # floats of transformed weights that stay in the L2 cache beside a panel
_AT_ONCE = 160 * 1024  # floats of weights that are transformed and multiplied with while they are there


@task
def _weights(worker, lo, hi, address, w, to, groups, rows, row_pitch, channels, channel_pitch, mirrored, points):
    """Panels lo..hi of all groups: to[group][point][panel][channel][ROWS], LANES more between the points."""
    panels = (rows + ROWS - 1) // ROWS
    pitch = panels * ROWS * channels + LANES
    for item in range(lo, hi):
        g, r = item // panels, item % panels * ROWS
        source = g * rows * channels * min(row_pitch, channel_pitch) + r * row_pitch
        transform_weights(
            address, w, source, to, g * points * pitch + r * channels, min(ROWS, rows - r), row_pitch, channels,
            channel_pitch, mirrored, pitch,
        )  # fmt: skip


@kernel
def _whole(numbers):
    """`numbers` rounded up to whole vectors."""
    return (numbers + LANES - 1) // LANES * LANES


@kernel
def _apart(own, panel):
    """From map to map, of `own` tiles each: without a gap where a vector then has whole maps, or the panel is WIDER."""
    return own if panel == WIDER or LANES % own == 0 else _whole(own)


@kernel
def _filled(tiles, panel):
    """Tiles of a block with those behind the last one that fill its vectors."""
    return tiles if panel == WIDER else _whole(tiles)


@kernel(inner=True)
def _products(u, start, v, v_start, m, m_start, channels, rows, tiles, panel, first, last):
    """m[point][row][tile] = sum over c of u[point][row][c] * v[point][c][tile] for points first..last."""
    height, line = (rows + ROWS - 1) // ROWS * ROWS, _whole(tiles)
    for point in range(first, last):
        a, b = start + point * (height * channels + LANES), v_start + point * (channels * tiles + LANES)
        c = m_start + point * (height * line + LANES)
        high = ROWS if height * channels > _CACHED else height
        for i in range(0, height, high):  # stream large weights once over all panels, else panels over the weights
            for t in range(0, tiles, panel):
                multiply(
                    u, a + i * channels, v, b + t * channels, m, c + i * line + t, u, 0, min(high, height - i),
                    min(panel, tiles - t), channels, line, 0,
                )  # fmt: skip


@task
def _blocks(worker, lo, hi, addresses, x, u, bias, y, sizes, pad, counts, flags, v, v_slot, m, m_slot, s, s_slot):
    """Blocks lo..hi = (group, maps or map, rows), all three passes."""
    maps, groups, channels, height, width, rows, out_height, out_width, points = sizes
    down, across, block_rows, block_maps, panel = counts
    lines = (rows + ROWS - 1) // ROWS * ROWS
    per_map = (down + block_rows - 1) // block_rows
    runs = (maps + block_maps - 1) // block_maps * per_map
    area = out_height * out_width // (4 if flags & HALVE else 1)
    for item in range(lo, hi):
        g, first_map, row = item // runs, item % runs // per_map * block_maps, item % per_map * block_rows
        n, high = min(block_maps, maps - first_map), min(block_rows, down - row)
        each = _apart(high * across, panel)
        tiles = _filled(n * each, panel)
        for i in range(n):
            source = ((first_map + i) * groups + g) * channels * height * width
            transform_input(
                addresses[0], x, source, v, worker * v_slot, s, worker * s_slot, 0, channels, channels, height, width,
                pad[0], pad[1], row, high, across, i * each, tiles, panel,
            )  # fmt: skip
        _products(
            u, g * points * (lines * channels + LANES), v, worker * v_slot, m, worker * m_slot, channels, rows, tiles,
            panel, 0, points,
        )  # fmt: skip
        for i in range(n):
            target = ((first_map + i) * groups + g) * rows * area
            transform_output(
                addresses[1], m, worker * m_slot, y, target, bias, g * rows, s, worker * s_slot, 0, rows, out_height,
                out_width, row, high, across, i * each, _whole(tiles), lines * _whole(tiles) + LANES, flags,
            )  # fmt: skip


@task
def _shared_input(worker, lo, hi, address, x, first_map, g, n, sizes, pad, row, high, across, each, tiles, panels, v,
                  s, s_slot):  # fmt: skip
    """Channels lo..hi of tile rows row..row + high of n maps; `each` tiles from map to map, `tiles` of a channel."""
    groups, channels, height, width = sizes
    for i in range(n):
        source = ((first_map + i) * groups + g) * channels * height * width
        transform_input(
            address, x, source, v, 0, s, worker * s_slot, lo, hi, channels, height, width, pad[0], pad[1], row, high,
            across, i * each, tiles, panels,
        )  # fmt: skip


@task
def _shared_products(worker, lo, hi, u, start, v, m, channels, rows, tiles, panel):
    """Points lo..hi."""
    _products(u, start, v, 0, m, 0, channels, rows, tiles, panel, lo, hi)


@task
def _shared_output(worker, lo, hi, address, m, bias, y, first_map, g, n, sizes, down, across, each, flags, s, s_slot):
    """Output channels lo..hi of n whole maps, each of `each` tiles."""
    groups, rows, out_height, out_width = sizes
    line, lines = _whole(n * each), (rows + ROWS - 1) // ROWS * ROWS
    area = out_height * out_width // (4 if flags & HALVE else 1)
    for i in range(n):
        target = ((first_map + i) * groups + g) * rows * area
        transform_output(
            address, m, 0, y, target, bias, g * rows, s, worker * s_slot, lo, hi, out_height, out_width, 0, down,
            across, i * each, line, lines * line + LANES, flags,
        )  # fmt: skip


@task
def _fresh(worker, lo, hi, addresses, w, v, bias, y, g, sizes, pitches, mirrored, high, where, flags, u, m, m_slot, s,
           s_slot):  # fmt: skip
    """Blocks lo..hi of `high` output channels, of all maps: transform their weights, multiply, transform back."""
    maps, groups, channels, _, _, rows, out_height, out_width, points = sizes
    row_pitch, channel_pitch = pitches
    down, across, each, panel = where
    tiles, line = _filled(maps * each, panel), _whole(maps * each)
    area = out_height * out_width // (4 if flags & HALVE else 1)
    here = worker * (points * (high * channels + LANES) + SLACK)
    weights = g * rows * channels * min(row_pitch, channel_pitch)
    for item in range(lo, hi):
        first = item * high
        count = min(high, rows - first)
        lines = (count + ROWS - 1) // ROWS * ROWS
        for r in range(0, count, ROWS):
            transform_weights(
                addresses[0], w, weights + (first + r) * row_pitch, u, here + r * channels, min(ROWS, count - r),
                row_pitch, channels, channel_pitch, mirrored, lines * channels + LANES,
            )  # fmt: skip
        following = weights + (first + high) * row_pitch
        for point in range(points):  # each asks for its share of the next block's weights
            c, end = channels * point // points, channels * (point + 1) // points
            if mirrored:
                for k in range(c, end):
                    ask(w, following + k * channel_pitch, high * row_pitch)
            else:
                ask(w, following + high * c * channel_pitch, high * (end - c) * channel_pitch)
            _products(u, here, v, 0, m, worker * m_slot, channels, count, tiles, panel, point, point + 1)
        for i in range(maps):
            transform_output(
                addresses[1], m, worker * m_slot, y, ((i * groups + g) * rows + first) * area, bias,
                g * rows + first if flags & BIAS else 0, s, worker * s_slot, 0, count, out_height, out_width, 0, down,
                across, i * each, line, lines * line + LANES, flags,
            )  # fmt: skip


class Plan(NamedTuple):
    """How a convolution is cut into blocks."""

    down: int
    across: int
    block_rows: int
    block_maps: int
    blocks: int
    shared: bool
    fresh: bool  # the weights are transformed where they are used
    each: int  # tiles from map to map of a block
    tiles: int  # in the largest block
    panel: int  # tiles in a panel of the products


def _cost(tiles: int) -> float:
    """Columns of products that so many tiles take, at the rate of whole panels."""
    if _fits_wider(tiles):
        return tiles // WIDER * (COLUMNS + LANES / ROWS)
    vectors = -(-(tiles % COLUMNS) // LANES)
    return tiles // COLUMNS * COLUMNS + vectors * LANES * (1.3 if vectors == 1 else 1.05)


def _fits_wider(tiles: int) -> bool:
    return LANES == 16 and tiles % WIDER == 0


def _in_block(times: int, pieces: int, tiles: int, threads: int, most: int, far: float = float("inf")) -> int:
    """How many pieces of so many tiles make a block, by the time of the thread that has most to do.

    `times` times there are `pieces`. far: tiles of a block that take twice the time, for they leave the caches.
    """

    def time(n: int) -> float:
        full, rest = divmod(pieces, n)
        whole, all_of_it = _cost(n * tiles), full * _cost(n * tiles) + _cost(rest * tiles)
        return max(-(-times * full // threads) * whole, times * all_of_it / threads) * (1 + n * tiles / far)

    return min(range(1, max(1, most // tiles) + 1), key=lambda n: (time(n), -n))


@lru_cache(maxsize=512)
def plan_of(maps: int, groups: int, out: tuple[int, int], m: int, threads: int, untransformed: int) -> Plan:
    """What the blocks are; nothing here changes the order in which numbers are added.

    untransformed: of so many output channels (in a group) the weights have yet to be transformed.
    """
    down, across = -(-out[0] // m), -(-out[1] // m)
    own = down * across
    each = int(_apart(own, WIDER if _fits_wider(own) else COLUMNS))
    if own > _LARGEST:
        block_rows, block_maps = _in_block(maps * groups, down, across, threads, _LARGEST), 1
        per_map = -(-down // block_rows)
    else:
        block_rows, per_map = down, 1
        block_maps = max(1, min(maps, _in_block(groups, maps, each, threads, _BLOCK, _FAR)))
    blocks = -(-maps // block_maps) * per_map * groups
    shared = 2 * blocks <= threads or (per_map == 1 and 2 * maps * own < threads * _BLOCK)
    fresh = untransformed >= 2 * maps * each  # measured: from there on it is the faster
    if shared or fresh:
        block_rows = down
        block_maps = maps if fresh else max(1, min(maps, 2 * _BLOCK // each))
        blocks = -(-maps // block_maps) * groups
    panel = WIDER if down % block_rows == 0 and _fits_wider(block_rows * across) else COLUMNS
    tiles = int(_filled(block_maps * each if block_rows == down else block_rows * across, panel))
    if panel == COLUMNS:
        vectors = -(-tiles // LANES)
        panel = -(-vectors // -(-tiles // COLUMNS)) * LANES  # equal panels: 32 + 32 tiles, not 48 + 16
    return Plan(down, across, block_rows, block_maps, blocks, shared or fresh, fresh, each, tiles, panel)


def _rows_at_once(rows: int, numbers: int, threads: int) -> int:
    """How many output channels, of so many numbers each, a thread transforms the weights of before it multiplies."""
    panels = -(-rows // ROWS)
    most = max(1, min(_AT_ONCE // (numbers * ROWS), panels))

    def time(n: int) -> int:  # of the thread that has most to do
        blocks = -(-panels // n)
        return -(-blocks // threads) * n

    return ROWS * min(range(1, most + 1), key=lambda n: (time(n), -n))


_NOTHING = np.zeros(1, np.float32)


def _rows_and_channels(weight: np.ndarray, groups: int, mirrored: bool) -> tuple[int, int]:
    own = len(weight) // groups
    return (weight.shape[1], own) if mirrored else (own, weight.shape[1])


def packed_size(weight: np.ndarray, groups: int, mirrored: bool, m: int) -> int:
    """How many floats pack_weights needs."""
    rows, channels = _rows_and_channels(weight, groups, mirrored)
    return groups * (m + weight.shape[3] - 1) ** 2 * (-(-rows // ROWS) * ROWS * channels + LANES) + SLACK


def pack_weights(weight: np.ndarray, groups: int, mirrored: bool, m: int, to: np.ndarray) -> np.ndarray:
    """The weights in the form that `convolve` multiplies with; returns `to`."""
    form, (rows, channels) = kind(m, weight.shape[3]), _rows_and_channels(weight, groups, mirrored)
    panels, points = -(-rows // ROWS), form.n * form.n
    row_pitch, channel_pitch = _pitches(rows, channels, form.r, mirrored)
    grain = max(1, 256 // channels)
    _weights(
        groups * panels, grain, form.weights, weight.reshape(-1), to, groups, rows, row_pitch, channels, channel_pitch,
        mirrored, points,
    )  # fmt: skip
    return to


def _pitches(rows: int, channels: int, r: int, mirrored: bool) -> tuple[int, int]:
    """From row to row and from channel to channel of the weights."""
    return (r * r, rows * r * r) if mirrored else (channels * r * r, r * r)


def convolve(
    maps: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    out: np.ndarray,
    m: int,
    pad: tuple[int, int],
    groups: int,
    mirrored: bool = False,
    relu: bool = False,
    packed: np.ndarray | None = None,
    add: bool = False,
    halved: np.ndarray | None = None,
) -> None:
    """out (N, groups * M, OH, OW) = weight . maps (N, groups * C, H, W) + bias by F(m, r); as `correlate`.

    halved: (N, groups * M, OH / 2, OW / 2), gets the maxima of squares of 2x2 instead; without `add`.
    """
    form, threads = kind(m, weight.shape[3]), get_num_threads()
    n, (height, width), (out_height, out_width) = len(maps), maps.shape[2:], out.shape[2:]
    channels, rows, points = maps.shape[1] // groups, out.shape[1] // groups, form.n * form.n
    plan = plan_of(n, groups, (out_height, out_width), m, threads, rows if packed is None else 0)
    lines = -(-rows // ROWS) * ROWS
    if plan.fresh:
        lines = _rows_at_once(rows, channels * points, threads)
        packed = scratch("left", threads * (points * (lines * channels + LANES) + SLACK))
    elif packed is None:
        packed = pack_weights(weight, groups, mirrored, m, scratch("left", packed_size(weight, groups, mirrored, m)))
    v_slot = points * (channels * plan.tiles + LANES) + SLACK
    m_slot = points * (lines * -(-plan.tiles // LANES) * LANES + LANES) + SLACK
    s_slot = form.n * m * ((plan.block_rows + form.n) * plan.across + 2 * LANES) + SLACK
    v = scratch("right", (1 if plan.shared else threads) * v_slot)
    products = scratch("products", (threads if plan.fresh or not plan.shared else 1) * m_slot)
    s = scratch("planes", threads * s_slot)
    x, b = maps.reshape(-1), _NOTHING if bias is None else bias
    y = (out if halved is None else halved).reshape(-1)
    flags = (0 if bias is None else BIAS) | (RELU if relu else 0) | (ADD if add else 0)
    flags |= 0 if halved is None else HALVE
    sizes = (n, groups, channels, height, width, rows, out_height, out_width, points)
    if not plan.shared:
        counts = (plan.down, plan.across, plan.block_rows, plan.block_maps, plan.panel)
        _blocks(
            plan.blocks, 1, (form.input, form.output), x, packed, b, y, sizes, pad, counts, flags,
            v, v_slot, products, m_slot, s, s_slot,
        )  # fmt: skip
        return
    each, panel = plan.each, plan.panel
    small, large = (groups, channels, height, width), (groups, rows, out_height, out_width)
    for g in range(groups):
        for first in range(0, n, plan.block_maps):
            count = min(plan.block_maps, n - first)
            tiles = int(_filled(count * each, panel))
            grain = -(-channels // (2 * threads))
            _shared_input(
                channels, grain, form.input, x, first, g, count, small, pad, 0, plan.down, plan.across, each,
                tiles, panel, v, s, s_slot,
            )  # fmt: skip
            if plan.fresh:
                _fresh(
                    -(-rows // lines), 1, (form.weights, form.output), weight.reshape(-1), v, b, y, g, sizes,
                    _pitches(rows, channels, form.r, mirrored), mirrored, lines,
                    (plan.down, plan.across, each, panel), flags, packed, products, m_slot, s, s_slot,
                )  # fmt: skip
                continue
            _shared_products(
                points, 1, packed, g * points * (lines * channels + LANES), v, products, channels, rows, tiles, panel,
            )  # fmt: skip
            _shared_output(
                rows, -(-rows // (2 * threads)), form.output, products, b, y, first, g, count, large, plan.down,
                plan.across, each, flags, s, s_slot,
            )  # fmt: skip

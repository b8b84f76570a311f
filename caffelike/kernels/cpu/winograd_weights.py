"""The weights' gradient of convolutions after Winograd: F(r, m), with the tiles of the top's gradient for windows.

dW = AT [sum over tiles of (G d GT) * (BT x B)] A. A block of tiles goes through two passes that leave it in the cache:
both maps are transformed with a channel in each lane, so that what comes out already has the order in which the
products read it; then each of the n*n points adds a product of matrices over the block's tiles to its sums. At the end
the sums are transformed into the gradient. Where one block has all the tiles, and the sums are more than what they are
made of, they are made and transformed some at a time.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.gemm import lines
from caffelike.kernels.cpu.pack import SLACK, transpose_lines
from caffelike.kernels.cpu.tile import ADD, COLUMNS, ROWS, multiply
from caffelike.kernels.cpu.transforms import Matrix, combine, matrices
from caffelike.kernels.jit import address_of, at_address, kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit, prefetch

_BLOCK = 4_000_000  # floats of transformed tiles in a block: they stay in the L3 cache
_ROWS = 32  # output channels of sums that stay in the L2 cache: with a panel of channels, at all points
_AHEAD = 4  # lines of pixels to ask for in advance: LANES maps at a time are more than processors can follow
_TILES = 256  # most tiles in a block: a panel of the products then stays in the first-level cache


# Transforms -------------------------------------------------------------------------------------------------------


def _tile_passes(m: int, matrix: Matrix, part: int) -> dict[str, Any]:
    """The passes that apply `matrix` (n x support) to both axes of tiles that begin every m pixels.

    A vector holds LANES channels of a pixel; part: how many of them lie side by side in the result.
    """
    n, support, intp = len(matrix), len(matrix[0]), types.intp

    @intrinsic
    def across_in(typingctx, line, i, to, j, tiles):
        """Tiles of a line of pixels [pixel][LANES] along the line: to[tile][n][LANES]."""

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, target = e.at(values[0], values[1]), e.at(values[2], values[3])

            def tile(t: Any, _: list) -> list:
                first, place = e.at(source, b.mul(t, e.int(m * LANES))), e.at(target, b.mul(t, e.int(n * LANES)))
                pixels = [e.load(e.at(first, k * LANES)) for k in range(support)]
                for k, value in enumerate(combine(e, matrix, pixels)):
                    e.store(value, e.at(place, k * LANES))
                return []

            e.loop(values[4], [], tile)
            return context.get_dummy_value()

        return types.void(line, intp, to, intp, intp), codegen

    @intrinsic
    def down_in(typingctx, planes, i, size, first, to, j, tiles, step, apart, pitch):
        """Tiles of `support` such lines, `size` apart: from number `first` on, number 0 follows the last.

        Each goes to n*n places `pitch` apart; tiles are `step` apart, and parts of LANES channels `apart`.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, size, first, target = e.at(values[0], values[1]), values[2], values[3], e.at(values[4], values[5])
            tiles, step, apart, pitch = values[6:]
            rows = []
            for k in range(support):
                number = b.add(first, e.int(k))
                wrapped = b.icmp_signed(">=", number, e.int(support))
                number = b.select(wrapped, b.sub(number, e.int(support)), number)
                rows.append(e.at(source, b.mul(number, size)))

            def tile(t: Any, _: list) -> list:
                place, at = e.at(target, b.mul(t, step)), b.mul(t, e.int(n * LANES))
                here = [e.at(row, at) for row in rows]
                for x in range(n):
                    column = combine(e, matrix, [e.load(e.at(row, x * LANES)) for row in here])
                    for y, value in enumerate(column):
                        point = e.at(place, b.mul(pitch, e.int(n * y + x)))
                        for k in range(0, LANES, part):
                            some = value if part == LANES else e.shuffle(value, value, list(range(k, k + part)))
                            e.store(some, e.at(point, b.mul(apart, e.int(k // part))))
                return []

            e.loop(tiles, [], tile)
            return context.get_dummy_value()

        return types.void(planes, intp, intp, intp, to, intp, intp, intp, intp, intp), codegen

    return {"across_in": across_in, "down_in": down_in, "M": m, "N": n, "SUPPORT": support}


def _sum_passes(m: int, r: int) -> dict[str, Any]:
    """The pass that gives gradients of windows from sums in the form of F(r, m)."""
    n, intp = m + r - 1, types.intp
    at, _, _ = matrices(r, m)

    @intrinsic
    def weights_out(typingctx, sums, i, pitch, to, j, count, add):
        """LANES windows from n*n places `pitch` apart: the first `count` are written one after the other (or added)."""

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, target = e.at(values[0], values[1]), e.at(values[3], values[4])
            pitch, count, add = values[2], values[5], values[6]
            half = []
            for x in range(n):
                lines = [e.load(e.at(source, b.mul(pitch, e.int(n * y + x)))) for y in range(n)]
                half.append(combine(e, at, lines))
            taps = [value for y in range(r) for value in combine(e, at, [half[x][y] for x in range(n)])]
            places, values, widths = [], [], []  # of parts of the windows, one after the other
            starts = range(0, r * r, LANES)
            parts = [e.transpose((taps + [e.const(0)] * LANES)[first : first + LANES]) for first in starts]
            for lane in range(LANES):
                for first, part in zip(starts, parts, strict=True):
                    places.append(e.at(target, lane * r * r + first))
                    values.append(part[lane])
                    widths.append(min(LANES, r * r - first))
            last = e.first(e.int(widths[-1]))

            def added() -> list:
                old = [e.masked_load(*place) for place in zip(places, masks, strict=True)]  # a store would delay it
                return [b.fadd(*pair) for pair in zip(values, old, strict=True)]

            whole = b.and_(b.icmp_signed(">=", count, e.int(LANES)), b.not_(add))
            with b.if_else(whole) as (plain, careful):
                with plain:
                    for value, place in zip(values[:-1], places, strict=False):
                        e.store(value, place)  # what is too much the next one overwrites
                    e.masked_store(values[-1], places[-1], last)
                with careful:
                    lanes = [lane for lane in range(LANES) for _ in starts]
                    here = [b.select(b.icmp_signed(">", count, e.int(lane)), e.int(width), e.int(0))
                            for lane, width in zip(lanes, widths, strict=True)]  # fmt: skip
                    masks = [e.first(n) for n in here]
                    for value, place, mask in zip(e.choose(add, added, lambda: values), places, masks, strict=True):
                        e.masked_store(value, place, mask)
            return context.get_dummy_value()

        return types.void(sums, intp, intp, to, intp, intp, types.boolean), codegen

    return {"weights_out": weights_out, "WINDOW": r * r}


# What the functions above give stands in for these names in the functions of each kind.
M = N = SUPPORT = WINDOW = 0
across_in: Any = None
down_in: Any = None
weights_out: Any = None


def _tiles(x, offsets, to, buffer, height, width, pad_y, pad_x, row, rows, across, step, apart, pitch):
    """A vector of channels (they begin at `offsets`) of the tile rows row..row + rows of a map; `to` as in down_in.

    Each line of pixels is turned and transformed once, into one of SUPPORT lines of the buffer that take turns.
    """
    left, skipped = max(0, pad_x), max(0, -pad_x)
    planes = (max(M * across + SUPPORT - M, left + width) + LANES) * LANES
    size = across * N * LANES
    for i in range(planes):
        buffer[i] = 0
    done = 0
    for t in range(rows):
        for r in range(done, M * t + SUPPORT):
            y, place = M * row + r - pad_y, planes + r % SUPPORT * size
            if 0 <= y < height:
                later = (y + _AHEAD) * width
                if y + _AHEAD >= height:
                    later += (LANES - 1) * height * width  # of the next vector of channels
                for k in range(skipped, width, LANES):
                    for lane in range(LANES):
                        prefetch(x, later + offsets[lane] + k)
                    at = (left + k - skipped) * LANES
                    transpose_lines(buffer, at, LANES, x, y * width + k, offsets, 0, min(LANES, width - k))
                across_in(buffer, 0, buffer, place, across)
            else:
                for i in range(place, place + size):
                    buffer[i] = 0
        done = M * t + SUPPORT
        down_in(buffer, planes, size, M * t % SUPPORT, to, t * across * step, across, step, apart, pitch)


def _gradient(sums, to, channels, pitch, add):
    """One row of windows' gradients to[channel, window] (+)= from sums[n*n, pitch][channel]."""
    for c in range(0, channels, LANES):
        weights_out(sums, c, pitch, to, c * WINDOW, channels - c, add != 0)


_FLOATS, _INTS, _INT = types.CPointer(types.float32), types.CPointer(types.int64), types.intp
_TILES_TO = types.void(_FLOATS, _INTS, _FLOATS, _FLOATS, *[_INT] * 10)
_GRADIENT = types.void(*[_FLOATS] * 2, *[_INT] * 3)

_transform_tiles, _transform_gradient = at_address(_TILES_TO), at_address(_GRADIENT)


class Kind(NamedTuple):
    """F(r, m) on the tiles of F(m, r): addresses of its passes over bottom, top and sums."""

    bottom: int
    top: int
    sums: int


@lru_cache
def _kind(m: int, r: int) -> Kind:
    """Compiled on first use."""
    bottom = address_of(_TILES_TO, _tiles, f"_bottom_{m}_{r}", _tile_passes(m, matrices(m, r)[2], LANES))
    top = address_of(_TILES_TO, _tiles, f"_top_{m}_{r}", _tile_passes(m, matrices(r, m)[1], min(ROWS, LANES)))
    return Kind(bottom, top, address_of(_GRADIENT, _gradient, f"_gradient_{m}_{r}", _sum_passes(m, r)))


# Passes over a block ----------------------------------------------------------------------------------------------


@task
def _transform(worker, lo, hi, address, x, first, g, sizes, pad, where, offsets, to, tiles, panel, buffer, slot):
    """Items (map of the block, vector of channels) to[point][panel of channels][tile][channels of the panel].

    where: first tile row, tile rows, tiles across; tiles: in the block, which LANES numbers separate at the points.
    """
    groups, channels, height, width = sizes
    row, rows, across = where
    vectors, whole = (channels + LANES - 1) // LANES, _whole(channels)
    for item in range(lo, hi):
        i, c = item // vectors, item % vectors * LANES
        k = c // panel * panel
        step = min(panel, whole - k)
        _transform_tiles(
            address, x, ((first + i) * groups + g) * channels * height * width, offsets, c, to,
            k * tiles + i * rows * across * step + c - k, buffer, worker * slot, height, width, pad[0], pad[1], row,
            rows, across, step, panel * tiles, whole * tiles + LANES,
        )  # fmt: skip


@kernel
def _whole(channels):
    """Rounded up to whole vectors and rows of the register tile."""
    unit = max(LANES, ROWS)
    return (channels + unit - 1) // unit * unit


@task
def _products(worker, lo, hi, d, x, sums, rows, channels, tiles, panel, add):
    """For points lo..hi: sums[point][row][channel] (+)= sum over tiles of d[point][row] * x[point][channel]."""
    for point in range(lo, hi):
        a, b = point * (_whole(rows) * tiles + LANES), point * (_whole(channels) * tiles + LANES)
        to = point * (rows * channels + LANES)
        for c in range(0, channels, panel):
            w = min(panel, channels - c)
            multiply(d, a, x, b + c * tiles, sums, to + c, d, 0, rows, w, tiles, channels, ADD if add else 0)


@task
def _finished(worker, lo, hi, address, d, x, out, start, shape, tiles, panel, points, window, add, sums, slot):
    """Blocks lo..hi of the gradient, from all tiles: products at all points, transformed while the cache has them."""
    rows, channels = shape
    down, pitch = (rows + _ROWS - 1) // _ROWS, _ROWS * panel + LANES
    for item in range(lo, hi):
        c, r, here = item // down * panel, item % down * _ROWS, worker * slot
        w, n = min(panel, channels - c), min(_ROWS, rows - r)
        for point in range(points):
            a, b = point * (_whole(rows) * tiles + LANES), point * (_whole(channels) * tiles + LANES)
            multiply(d, a + r * tiles, x, b + c * tiles, sums, here + point * pitch, d, 0, n, w, tiles, panel, 0)
        for k in range(n):
            at = start + ((r + k) * channels + c) * window
            _transform_gradient(address, sums, here + k * panel, out, at, w, pitch, int(add))


@task
def _output(worker, lo, hi, address, sums, out, start, channels, window, pitch, add):
    """Rows lo..hi of the gradient."""
    for r in range(lo, hi):
        _transform_gradient(address, sums, r * channels, out, start + r * channels * window, channels, pitch, int(add))


def weight_gradient(
    maps: np.ndarray, d: np.ndarray, out: np.ndarray, m: int, pad: tuple[int, int], groups: int, add: bool
) -> None:
    """out (groups * M, C, r, r) (+)= d (N, groups * M, OH, OW) against maps (N, groups * C, H, W), over the batch.

    Blocks of tiles follow one another, cut by shapes alone; threads share the channels, then the points, then rows.
    """
    r = out.shape[3]
    kind, threads, n, points = _kind(m, r), get_num_threads(), len(maps), (m + r - 1) ** 2
    channels, rows = maps.shape[1] // groups, d.shape[1] // groups
    bottom, top = (groups, channels, *maps.shape[2:]), (groups, rows, *d.shape[2:])
    down, across = -(-d.shape[2] // m), -(-d.shape[3] // m)
    most = max(64, min(_TILES, _BLOCK // (points * (channels + rows))))
    high, together = (max(1, most // across), 1) if down * across > most else (down, min(n, most // (down * across)))
    panel = -(-channels // LANES)
    panel = -(-panel // -(-panel * LANES // COLUMNS)) * LANES  # equal panels: 32 + 32 channels, not 48 + 16
    tiles = together * high * across
    x = scratch("right", points * (_whole(channels) * tiles + LANES) + SLACK)
    t = scratch("products", points * (_whole(rows) * tiles + LANES) + SLACK)
    alone = n <= together and down <= high and rows * channels > tiles * (rows + channels)
    s_slot = points * (_ROWS * panel + LANES if alone else rows * channels + LANES) + SLACK
    sums = scratch("left", s_slot * (threads if alone else 1))
    wide = max(m * across + r - 1, maps.shape[3] + max(0, pad[1]), d.shape[3]) + LANES
    slot = (wide + (m + r - 1) ** 2 * across) * LANES + SLACK
    buffer = scratch("planes", threads * slot)
    of_x, of_d = lines(channels, maps[0, 0].size), lines(rows, d[0, 0].size)
    for g in range(groups):
        begun = False
        for first in range(0, n, together):
            count = min(together, n - first)
            for row in range(0, down, high):
                where = (row, min(high, down - row), across)
                tiles = count * where[1] * across
                _transform(
                    count * -(-channels // LANES), 1, kind.bottom, maps.reshape(-1), first, g, bottom, pad, where,
                    of_x, x, tiles, panel, buffer, slot,
                )  # fmt: skip
                _transform(
                    count * -(-rows // LANES), 1, kind.top, d.reshape(-1), first, g, top, (0, 0), where, of_d, t,
                    tiles, ROWS, buffer, slot,
                )  # fmt: skip
                if alone:
                    _finished(
                        -(-rows // _ROWS) * -(-channels // panel), 1, kind.sums, t, x, out.reshape(-1),
                        g * rows * channels * r * r, (rows, channels), tiles, panel, points, r * r, add, sums, s_slot,
                    )  # fmt: skip
                    continue
                _products(points, 1, t, x, sums, rows, channels, tiles, panel, begun)
                begun = True
        if not alone:
            _output(
                rows, -(-rows // (2 * threads)), kind.sums, sums, out.reshape(-1), g * rows * channels * r * r,
                channels, r * r, rows * channels + LANES, add,
            )  # fmt: skip

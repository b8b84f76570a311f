"""The linear maps of Winograd convolution, for LANES tiles at a time.

A kind F(m, r) makes m x m outputs of an r x r window from a tile of n x n inputs, n = m + r - 1, with n*n products
instead of m*m*r*r: y = AT [(G g GT) * (BT d B)] A. The points are 0, 1, -1, 1/2, -2 and infinity (for n = 6; 0, 1, -1
and infinity for n = 4): the usual 2 in place of 1/2 has three times the error.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.tile import ADD, BIAS, COLUMNS, HALVE, RELU, ROWS, WIDER
from caffelike.kernels.jit import address_of, at_address
from caffelike.kernels.vector import LANES, Emit, ask

Matrix = list[list[Fraction]]

_POINTS = [Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-2)]


def matrices(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """AT (m x n), G (n x r) and BT (n x n), after Toom and Cook."""
    n = m + r - 1
    points = _POINTS[: n - 1]

    def polynomial(roots: list[Fraction]) -> list[Fraction]:
        result = [Fraction(1)]  # coefficients of the product of (x - root), from the lowest
        for root in roots:
            result = [a - root * b for a, b in zip([Fraction(0), *result], [*result, Fraction(0)], strict=True)]
        return result

    def others(point: Fraction) -> list[Fraction]:
        return [p for p in points if p != point]

    at = [[p**i for p in points] + [Fraction(int(i == m - 1))] for i in range(m)]
    g: Matrix = []
    for p in points:
        scale = Fraction(1)
        for other in others(p):
            scale *= p - other
        g.append([p**k / scale for k in range(r)])
    g.append([Fraction(int(k == r - 1)) for k in range(r)])
    bt = [[*polynomial(others(p)), Fraction(0)] for p in points] + [polynomial(points)]
    return at, g, bt


def combine(e: Emit, matrix: Matrix, x: list) -> list:
    """matrix . x for a list of vectors; a sum starts from a factor of +-1 where there is one."""
    kind, result = x[0].type, []
    for row in matrix:
        terms = sorted((abs(factor) != 1, factor < 0, i) for i, factor in enumerate(row) if factor)
        total = None
        for _, _, i in terms:
            factor = ir.Constant(kind, [float(row[i])] * kind.count)
            if total is None:
                total = x[i] if row[i] == 1 else e.b.fmul(factor, x[i])
            elif abs(row[i]) == 1:
                total = e.b.fadd(total, x[i]) if row[i] == 1 else e.b.fsub(total, x[i])
            else:
                total = e.fma(factor, x[i], total)
        result.append(total)
    return result


def _unzip(e: Emit, vectors: list) -> list:
    """m vectors that hold LANES groups of m numbers -> m vectors, each with one number of every group."""
    if len(vectors) == 1:
        return vectors
    even, odd = [], []
    for a, b in zip(vectors[::2], vectors[1::2], strict=True):
        even.append(e.shuffle(a, b, list(range(0, 2 * LANES, 2))))
        odd.append(e.shuffle(a, b, list(range(1, 2 * LANES, 2))))
    return [v for pair in zip(_unzip(e, even), _unzip(e, odd), strict=True) for v in pair]


def _input_passes(m: int, matrix: Matrix) -> dict[str, Any]:
    """The vector passes that apply `matrix` (n x support) to both axes of tiles that begin every m pixels."""
    n, support, intp = len(matrix), len(matrix[0]), types.intp

    @intrinsic
    def rows_in(typingctx, x, i, piece, shift, first, last, to, j, plane, left, right):
        """LANES tiles of one row of each tile, m pieces of LANES pixels from x[i], `piece` apart, into n planes.

        Pixels before `left` and from `right` on are zero, counted from i and, in piece v, from v * shift; the pieces
        before `first` and from `last` on are zero.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, target = e.at(values[0], values[1]), e.at(values[6], values[7])
            piece, shift, first, last, plane, left, right = *values[2:6], *values[8:]
            groups = -(-support // m)
            places = [(m * q, v) for q in range(groups) for v in range(m)]
            pieces = [e.at(source, b.mul(piece, e.int(v))) for v in range(m)]
            end = m * (groups - 1) + m * LANES
            one_row = b.icmp_signed("==", shift, e.int(LANES))
            inner = b.and_(b.icmp_signed("<=", left, e.int(0)), b.icmp_signed(">=", right, e.int(end)))

            def masked() -> list:
                result = []
                for start, v in places:
                    moved = b.mul(shift, e.int(v))
                    mask = b.and_(e.first(b.sub(right, moved), start), b.not_(e.first(b.sub(left, moved), start)))
                    on = b.and_(b.icmp_signed("<=", first, e.int(v)), b.icmp_signed(">", last, e.int(v)))
                    result.append(e.masked_load(e.at(pieces[v], start), b.and_(mask, e.splat(on))))
                return result

            loaded = e.choose(
                b.and_(one_row, inner), lambda: [e.load(e.at(pieces[v], start)) for start, v in places], masked
            )
            pixels: list[Any] = []
            for q in range(groups):
                pixels += _unzip(e, loaded[q * m : (q + 1) * m])
            for k, value in enumerate(combine(e, matrix, pixels[:support])):
                e.store(value, e.at(target, b.mul(plane, e.int(k))))
            return context.get_dummy_value()

        return types.void(x, intp, intp, intp, intp, intp, to, intp, intp, intp, intp), codegen

    def columns(lanes: int) -> Any:
        @intrinsic
        def columns_in(typingctx, planes, i, to, j, plane, across, pitch, few):
            """`lanes` tiles from n planes of m row phases each into n*n places `pitch` apart.

            few: as many of them only, unless 0.
            """

            def codegen(context, builder, given, values):
                e, b = Emit(builder, lanes), builder
                source, target = e.at(values[0], values[1]), e.at(values[2], values[3])
                plane, across, pitch, few = values[4:]

                def transformed(store: Any) -> None:
                    for k in range(n):
                        lines = []
                        for row in range(support):
                            at_plane = e.at(source, b.mul(plane, e.int(m * k + row % m)))
                            lines.append(e.load(e.at(at_plane, b.mul(across, e.int(row // m)))))
                        for row, value in enumerate(combine(e, matrix, lines)):
                            place = e.at(target, b.mul(pitch, e.int(n * row + k)))
                            store(value, place)
                            e.prefetch(e.at(place, COLUMNS), write=True)  # of the next channel: too many streams

                mask = e.first(few)
                with b.if_else(b.icmp_signed("==", few, e.int(0))) as (all_of_them, some):
                    with all_of_them:
                        transformed(e.store)
                    with some:
                        transformed(lambda value, place: e.masked_store(value, place, mask))
                return context.get_dummy_value()

            return types.void(planes, intp, to, intp, intp, intp, intp, intp), codegen

        return columns_in

    passes = {"rows_in": rows_in, "columns_in": columns(LANES), "column_in": columns(1)}
    return passes | {"M": m, "N": n, "SUPPORT": support}


def _output_passes(m: int, r: int) -> dict[str, Any]:
    """The vector passes that give the outputs of F(m, r)."""
    n, intp = m + r - 1, types.intp
    at, _, _ = matrices(m, r)

    @intrinsic
    def columns_out(typingctx, products, i, to, j, pitch, plane):
        """LANES tiles from n*n places `pitch` apart into m planes of n."""

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, target = e.at(values[0], values[1]), e.at(values[2], values[3])
            for k in range(n):
                lines = [e.load(e.at(source, b.mul(values[4], e.int(n * row + k)))) for row in range(n)]
                for row, value in enumerate(combine(e, at, lines)):
                    e.store(value, e.at(target, b.mul(values[5], e.int(n * row + k))))
            return context.get_dummy_value()

        return types.void(products, intp, to, intp, intp, intp), codegen

    def pixels(e: Emit, source: Any, plane: Any, bias: Any) -> list:
        """The m pixels of one row of each of LANES tiles, plus bias."""
        lines = combine(e, at, [e.load(e.at(source, e.b.mul(plane, e.int(k)))) for k in range(n)])
        return [e.b.fadd(value, e.splat(bias)) for value in lines]

    def piece_mask(e: Emit, v: int, shift: Any, last: Any, count: Any) -> Any:
        on = e.splat(e.b.icmp_signed(">", last, e.int(v)))
        return e.b.and_(e.first(e.b.sub(count, e.b.mul(shift, e.int(v)))), on)

    @intrinsic
    def rows_out(typingctx, planes, i, y, j, piece, shift, last, plane, count, bias, relu, add):
        """One row of each of LANES tiles from n planes, plus bias, plus y's own if add, clipped at 0 if relu.

        Goes to m pieces as in rows_in; written are those before `last`, in them the pixels before `count`, counted from
        v * shift in piece v.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, target = e.at(values[0], values[1]), e.at(values[2], values[3])
            piece, shift, last, plane, count, bias, relu, add = values[4:]
            pieces = e.transpose(pixels(e, source, plane, bias))
            masks = [piece_mask(e, v, shift, last, count) for v in range(m)]
            places = [e.at(target, b.mul(piece, e.int(v))) for v in range(m)]

            def added() -> list:
                there = [e.masked_load(*place) for place in zip(places, masks, strict=True)]
                return [b.fadd(*pair) for pair in zip(pieces, there, strict=True)]

            pieces = e.choose(add, added, lambda: pieces)
            floor = b.select(relu, e.const(0), e.const(float("-inf")))
            for value, place, mask in zip(pieces, places, masks, strict=True):
                e.masked_store(e.at_least(value, floor), place, mask)
            return context.get_dummy_value()

        flag = types.boolean
        return types.void(planes, intp, y, intp, intp, intp, intp, intp, intp, types.float32, flag, flag), codegen

    @intrinsic
    def rows_halved(typingctx, planes, i, row, y, j, plane, count, bias, relu):
        """The maxima of squares of 2x2 of two rows, the second `row` numbers behind the first, of each of LANES tiles.

        With bias, and clipped at 0 before if relu. m / 2 pieces of LANES pixels, one behind the other, up to `count`
        pixels. As layers/pooling.py has it, NaN is never taken, nor what is less than -FLT_MAX.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            source, row = e.at(values[0], values[1]), values[2]
            target = e.at(values[3], values[4])
            plane, count, bias, relu = values[5:]
            floor = b.select(relu, e.const(0), e.const(float("-inf")))
            both = [pixels(e, source, plane, bias), pixels(e, e.at(source, row), plane, bias)]
            both = [[e.at_least(value, floor) for value in line] for line in both]
            largest = []
            for x in range(0, m, 2):
                best = e.const(float(np.finfo(np.float32).min))
                for value in (both[0][x], both[0][x + 1], both[1][x], both[1][x + 1]):
                    best = b.select(b.fcmp_ordered(">", value, best), value, best)
                largest.append(best)
            for v, value in enumerate(e.transpose(largest)):
                e.masked_store(value, e.at(target, v * LANES), e.first(count, v * LANES))
            return context.get_dummy_value()

        return types.void(planes, intp, intp, y, intp, intp, intp, types.float32, types.boolean), codegen

    return {"columns_out": columns_out, "rows_out": rows_out, "rows_halved": rows_halved, "M": m, "N": n}


_SEVERAL = max(1, LANES // ROWS)  # channels whose windows fill vectors


def _weight_passes(m: int, r: int) -> dict[str, Any]:
    """Windows into the form of F(m, r)."""
    n, intp = m + r - 1, types.intp
    _, g, _ = matrices(m, r)

    def windows_in(channels: int) -> Any:
        @intrinsic
        def weights_in(typingctx, w, i, row_pitch, rows, channel_pitch, mirrored, to, j, pitch):
            """G g GT for windows of ROWS outputs, row_pitch apart, of so many channels, channel_pitch apart.

            Into n*n places [channel][ROWS] `pitch` apart; zero for outputs from `rows`.
            """

            def codegen(context, builder, given, values):
                e, b = Emit(builder), builder
                source, target = e.at(values[0], values[1]), e.at(values[6], values[7])
                row_pitch, rows, channel_pitch, mirrored, pitch = *values[2:6], values[8]
                taps, count = r * r, channels * ROWS
                numbers: list[Any] = []  # vectors of LANES in the order [tap][channel][ROWS]
                for first in range(0, taps, LANES):
                    here = [b.select(b.icmp_signed(">", rows, e.int(row)), e.int(taps - first), e.int(0))
                            for row in range(ROWS)]  # fmt: skip
                    masks, lines = [e.first(n) for n in here], []
                    for channel in range(channels):
                        window = e.at(e.at(source, b.mul(channel_pitch, e.int(channel))), first)
                        lines += [e.masked_load(e.at(window, b.mul(row_pitch, e.int(row))), masks[row])
                                  for row in range(ROWS)]  # fmt: skip
                    numbers += e.transpose(lines)
                wide = Emit(builder, count)
                window = [_pick(e, numbers, tap * count, count) for tap in range(taps)]
                window = [b.select(mirrored, window[taps - 1 - tap], window[tap]) for tap in range(taps)]
                half = [combine(wide, g, [window[y * r + x] for y in range(r)]) for x in range(r)]
                for y in range(n):
                    for x, value in enumerate(combine(wide, g, [half[k][y] for k in range(r)])):
                        wide.store(value, wide.at(target, b.mul(pitch, e.int(n * y + x))))
                return context.get_dummy_value()

            return types.void(w, intp, intp, intp, intp, types.boolean, to, intp, intp), codegen

        return weights_in

    return {"several_weights_in": windows_in(_SEVERAL), "weights_in": windows_in(1)}


def _pick(e: Emit, vectors: list, first: int, count: int) -> Any:
    """Numbers first .. first + count of the concatenation of vectors of LANES; counts are powers of two."""
    v, lane = divmod(first, LANES)
    if count <= LANES:
        return e.shuffle(vectors[v], vectors[v], list(range(lane, lane + count)))
    parts = vectors[v : v + count // LANES]
    while len(parts) > 1:
        width = parts[0].type.count
        parts = [e.shuffle(a, b, list(range(2 * width))) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


_AHEAD = 8  # channels of windows to ask for in advance

# What the functions above give stands in for these names in the functions of each kind.
M = N = SUPPORT = 0
rows_in: Any = None
columns_in: Any = None
column_in: Any = None
columns_out: Any = None
rows_out: Any = None
rows_halved: Any = None
several_weights_in: Any = None
weights_in: Any = None


def _input(x, to, planes, first, last, channels, height, width, pad_y, pad_x, row, rows, across, tile, tiles, panels):
    """Channels first..last of the tile rows row..row + rows of a map into panels for the products.

    to: [n*n][panel of `panels` tiles][channel][tiles of the panel], LANES more between the n*n, this map's tiles from
    `tile` on, and what else is in their vectors, unless whole maps fill one. In panels of WIDER tiles (which the map
    must fill) the last one lies behind the others, [channel].
    Every row of the map is transformed once, horizontally (into planes), then each tile vertically. Vectors that lie
    below each other follow one another, for they have the same masks. The next map is asked for: processors do not see
    where it goes on.
    """
    size, pitch = (rows + (SUPPORT - 1) // M) * across + 2 * LANES, channels * tiles + LANES
    square = across * M == LANES  # M rows of tiles fill the vectors: take them at once
    for c in range(first, last):
        if square:
            ask(x, (c + 1) * height * width, height * width)
        for t in range(-1 if square else (across - 1) // LANES * LANES, -1, -LANES):  # what is too much goes first
            for r in range(M * rows + SUPPORT - M):
                y, p = M * row + r - pad_y, M * t
                d = r % M * size + r // M * across
                if 0 <= y < height:
                    s = (c * height + y) * width - pad_x
                    if t == 0:
                        ask(x, s + height * width, width)
                    rows_in(x, s + p, LANES, LANES, 0, M, planes, d + t, M * size, pad_x - p, width + pad_x - p)
                elif t == 0:
                    for k in range(N):
                        for i in range(across):
                            planes[d + k * M * size + i] = 0
        own = rows * across
        few = own if own < LANES and LANES % own == 0 else 0  # the next map's tiles lie in the same vector
        if panels == WIDER:
            for g in range(0, rows * across, WIDER):
                d = (tile + g) * channels
                for t in range(0, COLUMNS, LANES):
                    columns_in(planes, g + t, to, d + c * COLUMNS + t, size, across, pitch, 0)
                column_in(planes, g + COLUMNS, to, d + COLUMNS * channels + c, size, across, pitch, 0)
            continue
        for g in range(0, rows * across, LANES):
            panel = (tile + g) // panels * panels
            d = panel * channels + c * min(panels, tiles - panel) + tile + g - panel
            if square:
                for r in range(SUPPORT):
                    y = M * (row + g // across) + r - pad_y  # and every M-th row below it
                    above, inside = max(0, (M - 1 - y) // M), (height - y + M - 1) // M
                    s = (c * height + y) * width - pad_x
                    rows_in(
                        x, s, M * width, 0, above, inside, planes, r % M * size + r // M * LANES, M * size, pad_x,
                        width + pad_x,
                    )  # fmt: skip
                columns_in(planes, 0, to, d, size, LANES, pitch, few)
            else:
                columns_in(planes, g, to, d, size, across, pitch, few)


def _output(products, y, bias, planes, first, last, height, width, row, rows, across, tile, tiles, pitch, flags):
    """Maps first..last, tile rows row..row + rows, from products [n*n, pitch][map][tiles].

    flags: BIAS, RELU, ADD (to y), HALVE: y is half as high and wide, and gets the maxima of squares of 2x2.
    """
    size, relu, add, halve = rows * across + 2 * LANES, flags & RELU != 0, flags & ADD != 0, flags & HALVE != 0
    square, step = across * M == LANES and not halve, 2 if halve else 1
    for k in range(first, last):
        start = bias[k] if flags & BIAS else np.float32(0)
        if square:
            ask(y, (k + 1) * height * width, height * width)
        for g in range(0, rows * across, LANES):
            if square:
                columns_out(products, k * tiles + tile + g, planes, 0, pitch, size)
                for i in range(M):
                    line = M * (row + g // across) + i  # and every M-th below it, of these tile rows
                    inside = min(rows - g // across, (height - line + M - 1) // M)
                    at = (k * height + line) * width
                    rows_out(planes, i * N * size, y, at, M * width, 0, inside, size, width, start, relu, add)
            else:
                columns_out(products, k * tiles + tile + g, planes, g, pitch, size)
        if square:
            continue
        for t in range(0, across, LANES):
            left = width - M * t
            for r in range(rows):
                line = M * (row + r)
                for i in range(0, min(M, height - line), step):
                    at = (k * (height // step) + (line + i) // step) * (width // step)
                    if t == 0:
                        ask(y, at + height // step * (width // step), width // step)
                    place = i * N * size + r * across + t
                    if halve:
                        rows_halved(planes, place, N * size, y, at + M // 2 * t, size, left // 2, start, relu)
                    else:
                        rows_out(planes, place, y, at + M * t, LANES, LANES, M, size, left, start, relu, add)


def _weights(w, to, rows, row_pitch, channels, channel_pitch, mirrored, pitch):
    """One panel of `rows` <= ROWS outputs: to[n*n, pitch][channel][ROWS] from w[row, channel, window]."""
    whole = channels // _SEVERAL * _SEVERAL
    for c in range(0, whole, _SEVERAL):
        if channel_pitch > row_pitch:  # each channel is on another page
            for k in range(c + _AHEAD, c + _AHEAD + _SEVERAL):
                ask(w, k * channel_pitch, rows * row_pitch)
        several_weights_in(
            w, c * channel_pitch, row_pitch, rows, channel_pitch, mirrored != 0, to, c * ROWS, pitch
        )  # fmt: skip
    for c in range(whole, channels):
        weights_in(w, c * channel_pitch, row_pitch, rows, channel_pitch, mirrored != 0, to, c * ROWS, pitch)


_FLOATS, _INT = types.CPointer(types.float32), types.intp
_INPUT = types.void(*[_FLOATS] * 3, *[_INT] * 13)
_OUTPUT = types.void(*[_FLOATS] * 4, *[_INT] * 11)
_WEIGHTS = types.void(*[_FLOATS] * 2, *[_INT] * 6)

transform_input, transform_output = at_address(_INPUT), at_address(_OUTPUT)
transform_weights = at_address(_WEIGHTS)


class Kind(NamedTuple):
    """F(m, r): addresses of its passes over inputs, outputs and weights."""

    m: int
    r: int
    n: int
    input: int
    output: int
    weights: int


@lru_cache
def kind(m: int, r: int) -> Kind:
    """F(m, r), compiled on first use."""
    output = address_of(_OUTPUT, _output, f"_output_{m}_{r}", _output_passes(m, r))
    weights = address_of(_WEIGHTS, _weights, f"_weights_{m}_{r}", _weight_passes(m, r))
    inputs = address_of(_INPUT, _input, f"_input_{m}_{r}", _input_passes(m, matrices(m, r)[2]))
    return Kind(m, r, m + r - 1, inputs, output, weights)

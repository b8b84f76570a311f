"""Bringing operands into the order in which the register tile (tile.py) reads them.

Left operand (A): panels of ROWS rows, [panel][k][ROWS], rows below the last are zero.
Right operand (B): one panel of up to COLUMNS columns, [k][columns rounded up to LANES]; what the columns beyond the
last hold is never used, so it is left as it is.
Buffers need SLACK floats behind their end.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.tile import COLUMNS, ROWS
from caffelike.kernels.jit import shared
from caffelike.kernels.vector import LANES, Emit, ask, copy_first, copy_vector, prefetch

SLACK = 64 * LANES
_AHEAD = 8  # lines of a matrix in memory to ask for in advance: each is on another page

_LINE = 16  # floats in a cache line

_FLOATS = types.CPointer(types.float32)
_INTS = types.CPointer(types.int64)
_INT = types.intp


@intrinsic
def _transpose_rows(typingctx, to, i, source, j, pitch, rows, n):
    """to[i + k*ROWS + r] = source[j + r*pitch + k] for k < n <= LANES, r < ROWS; zero for r >= rows."""

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        target = e.array(context, given.args[0], *values[0:2])
        origin = e.array(context, given.args[2], *values[2:4])
        pitch, rows, n = values[4:]
        lines = [e.at(origin, b.mul(pitch, e.int(r))) for r in range(ROWS)]
        whole = b.and_(b.icmp_signed("==", rows, e.int(ROWS)), b.icmp_signed(">=", n, e.int(LANES)))
        with b.if_else(whole) as (all_of_it, part):
            with all_of_it:
                for v, value in enumerate(e.transpose([e.load(p) for p in lines])):
                    e.store(value, e.at(target, v * LANES))
            with part:
                here = [b.select(b.icmp_signed(">", rows, e.int(r)), n, e.int(0)) for r in range(ROWS)]
                values = e.transpose([e.masked_load(p, e.first(m)) for p, m in zip(lines, here, strict=True)])
                for v, value in enumerate(values):  # k-th vector of LANES numbers in the order [k][ROWS]
                    e.masked_store(value, e.at(target, v * LANES), e.first(b.mul(n, e.int(ROWS)), v * LANES))
        return context.get_dummy_value()

    intp = types.intp
    return types.void(to, intp, source, intp, intp, intp, intp), codegen


@intrinsic
def _copy_rows(typingctx, to, i, source, j, n):
    """to[i + r] = source[j + r] for r < n, else 0; r < ROWS."""

    def codegen(context, builder, given, values):
        e = Emit(builder, ROWS)
        value = e.masked_load(e.array(context, given.args[2], *values[2:4]), e.first(values[4]))
        e.store(value, e.array(context, given.args[0], *values[0:2]))
        return context.get_dummy_value()

    intp = types.intp
    return types.void(to, intp, source, intp, intp), codegen


@intrinsic
def transpose_lines(typingctx, to, i, pitch, source, j, offsets, o, n):
    """to[i + k*pitch + l] = source[j + offsets[o + l] + k] for l < LANES and k < n <= LANES (the rest: zero)."""

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        target, n = e.at(values[0], values[1]), values[7]
        origin, offsets = e.at(values[3], values[4]), e.at(values[5], values[6])
        lines = [e.at(origin, b.load(e.at(offsets, lane))) for lane in range(LANES)]
        mask = e.first(n)
        loaded = e.choose(
            b.icmp_signed(">=", n, e.int(LANES)),
            lambda: [e.load(p) for p in lines],
            lambda: [e.masked_load(p, mask) for p in lines],
        )
        for k, value in enumerate(e.transpose(loaded)):
            e.store(value, e.at(target, b.mul(values[2], e.int(k))))
        return context.get_dummy_value()

    intp = types.intp
    return types.void(to, intp, intp, source, intp, offsets, intp, intp), codegen


@intrinsic
def _transpose_pieces(typingctx, to, i, pitch, source, one, two, three, offsets, o, cut, end, n):
    """transpose_lines of lines in three pieces: source[one + offsets[..] + k] for k < cut, then two.. , then three..

    `two` holds for cut <= k < end and `three` for end <= k < n; both count k from the first piece's start.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        target, origin, offsets = e.at(values[0], values[1]), values[3], e.at(values[7], values[8])
        until = [e.first(v) for v in values[9:]]
        masks = [until[0], b.and_(until[1], b.not_(until[0])), b.and_(until[2], b.not_(until[1]))]
        starts = [e.at(origin, place) for place in values[4:7]]
        lines = []
        for lane in range(LANES):
            offset = b.load(e.at(offsets, lane))
            parts = [e.masked_load(e.at(start, offset), mask) for start, mask in zip(starts, masks, strict=True)]
            joined = b.select(masks[1], parts[1], parts[0])
            lines.append(b.select(masks[2], parts[2], joined))
        for k, value in enumerate(e.transpose(lines)):
            e.store(value, e.at(target, b.mul(values[2], e.int(k))))
        return context.get_dummy_value()

    n = types.intp
    return types.void(to, n, n, source, n, n, n, offsets, n, n, n, n), codegen


@intrinsic
def _copy_lines(typingctx, to, source, place, offsets, depth):
    """For all k < depth: to[k*COLUMNS + c] = source[offsets[k] + place + c], c < COLUMNS."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        target, origin, offsets = values[0], e.at(values[1], values[2]), values[3]

        def line(k: Any, _: list) -> list:
            start, end = e.at(origin, builder.load(e.at(offsets, k))), e.at(target, builder.mul(k, e.int(COLUMNS)))
            vectors = [e.load(e.at(start, v)) for v in range(0, COLUMNS, LANES)]
            for v, value in enumerate(vectors):
                e.store(value, e.at(end, v * LANES))
            return []

        e.loop(values[4], [], line)
        return context.get_dummy_value()

    return types.void(to, source, types.intp, offsets, types.intp), codegen


@intrinsic
def _join_lines(typingctx, to, i, pitch, source, one, two, offsets, depth, cut):
    """For all k < depth: to[i + k*pitch + l] = source[offsets[k] + (one if l < cut else two) + l], l < LANES."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        target, first, second = e.at(values[0], values[1]), e.at(values[3], values[4]), e.at(values[3], values[5])
        mask = e.first(values[8])

        def line(k: Any, _: list) -> list:
            offset = builder.load(e.at(values[6], k))
            joined = builder.select(mask, e.load(e.at(first, offset)), e.load(e.at(second, offset)))
            e.store(joined, e.at(target, builder.mul(k, values[2])))
            return []

        e.loop(values[7], [], line)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(to, intp, intp, source, intp, intp, offsets, intp, intp), codegen


@intrinsic
def _append_line(typingctx, to, i, pitch, source, place, offsets, depth, cut):
    """For all k < depth: to[i + k*pitch + l] = source[offsets[k] + place + l] for cut <= l < LANES, others stay."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        target, origin, mask = e.at(values[0], values[1]), e.at(values[3], values[4]), e.first(values[7])

        def line(k: Any, _: list) -> list:
            at = e.at(target, builder.mul(k, values[2]))
            e.store(builder.select(mask, e.load(at), e.load(e.at(origin, builder.load(e.at(values[5], k))))), at)
            return []

        e.loop(values[6], [], line)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(to, intp, intp, source, intp, offsets, intp, intp), codegen


@shared(types.void(_FLOATS, _INT, _FLOATS, _INT, _INT, _INT, _INT))
def pack_left(to, panel_pitch, source, rows, row_pitch, depth, k_pitch):
    """A[r, k] = source[r*row_pitch + k*k_pitch], r < rows, k < depth, into panels panel_pitch floats apart."""
    if row_pitch == 1:
        for first in range(0, rows, _LINE):  # each line once, though several panels want a part of it
            last = min(rows, first + _LINE)
            for k in range(depth):
                prefetch(source, first + min(k + 4 * _AHEAD, depth - 1) * k_pitch)
                for r in range(first, last, ROWS):
                    _copy_rows(to, r // ROWS * panel_pitch + k * ROWS, source, r + k * k_pitch, min(ROWS, rows - r))
        return
    for first in range(0, rows, ROWS):
        n = min(ROWS, rows - first)
        d, s = first // ROWS * panel_pitch, first * row_pitch
        if k_pitch == 1:
            for k in range(0, depth, LANES):
                _transpose_rows(to, d + k * ROWS, source, s + k, row_pitch, n, min(LANES, depth - k))
        else:
            for k in range(depth):
                for r in range(n):
                    to[d + k * ROWS + r] = source[s + r * row_pitch + k * k_pitch]
                for r in range(n, ROWS):
                    to[d + k * ROWS + r] = 0


@shared(types.void(_FLOATS, _FLOATS, _INTS, _INT, _INT, _INT, _INT, _INT, _INT, _INT))
def pack_right(to, source, offsets, depth, first, width, run, rows, pitch, image):
    """One panel B[k, c] = source[offsets[k] + place(first + c)], k < depth, c < width.

    place(p), p = (n, y, x) of a grid with `rows` rows of `run` columns, is n*image + y*pitch + x.
    """
    padded = (width + LANES - 1) // LANES * LANES
    y, x = first // run, first % run
    if x + width <= run:  # one line, perhaps of a matrix that ends where it ends
        place = y // rows * image + y % rows * pitch + x
        if width == COLUMNS and depth > 0:
            _copy_lines(to, source, place, offsets, depth)
            return
        for k in range(depth):
            ask(source, offsets[min(k + _AHEAD, depth - 1)] + place, width)
            d, s = k * padded, offsets[k] + place
            for v in range(0, width - LANES + 1, LANES):
                copy_vector(to, d + v, source, s + v)
            if padded > width:
                v = padded - LANES
                copy_first(to, d + v, source, s + v, width - v)
        return
    for v in range(0, padded, LANES):
        p, lane, count, before = first + v, 0, 0, 0
        while lane < LANES:  # this line of the map begins at `lane` of the vector
            y, x = p // run, p % run
            place = y // rows * image + y % rows * pitch + x - lane
            following = lane + run - x
            if count == 1:
                _join_lines(to, v, padded, source, before, place, offsets, depth, lane)
            elif count > 1:
                _append_line(to, v, padded, source, place, offsets, depth, lane)
            elif following >= LANES:
                _join_lines(to, v, padded, source, place, place, offsets, depth, LANES)
            p, lane, count, before = p + run - x, following, count + 1, place


@shared(types.void(_FLOATS, _FLOATS, _INTS, _INT, _INT, _INT, _INT, _INT, _INT, _INT))
def pack_right_transposed(to, source, offsets, width, first, depth, run, rows, pitch, image):
    """One panel B[k, c] = source[offsets[c] + place(first + k)], k < depth, c < width; `place` as in pack_right.

    offsets must go on for LANES entries behind the last column, with any valid place.
    """
    padded = (width + LANES - 1) // LANES * LANES
    done = 0
    while done < depth:
        y, x = (first + done) // run, (first + done) % run
        place = y // rows * image + y % rows * pitch + x
        n = min(LANES, depth - done)
        if x + n <= run:
            for c in range(0, padded, LANES):
                transpose_lines(to, done * padded + c, padded, source, place, offsets, c, n)
        else:
            cut = run - x
            y += 1
            second = y // rows * image + y % rows * pitch - cut
            y += 1
            third = y // rows * image + y % rows * pitch - cut - run
            n = min(n, cut + 2 * run)
            for c in range(0, padded, LANES):
                _transpose_pieces(
                    to, done * padded + c, padded, source, place, second, third, offsets, c, cut, cut + run, n
                )
        done += n


def _make_line(step: int) -> Any:
    """The intrinsic line(...) for steps of 1 or 2 in the source."""

    @intrinsic
    def line(typingctx, to, i, source, j, left, right, n):
        """to[i + l] = source[j + (l - left)*step] for left <= l < right, else 0; for the lanes l < n."""

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            left, right, n = values[4:]
            times = e.int(step)
            begin, end = b.mul(left, times), b.add(b.mul(b.sub(right, e.int(1)), times), e.int(1))
            first = e.at(e.array(context, given.args[2], *values[2:4]), b.neg(begin))
            parts = []
            for k in range(step):
                inside = b.and_(e.first(end, k * LANES), b.not_(e.first(begin, k * LANES)))
                parts.append(e.masked_load(e.at(first, k * LANES), inside))
            taken = parts[0] if step == 1 else e.shuffle(*parts, list(range(0, 2 * LANES, 2)))
            e.masked_store(taken, e.array(context, given.args[0], *values[0:2]), e.first(n))
            return context.get_dummy_value()

        intp = types.intp
        return types.void(to, intp, source, intp, intp, intp, intp), codegen

    return line


_line_1, _line_2 = _make_line(1), _make_line(2)


@shared(types.void(_FLOATS, _FLOATS, *[_INT] * 13))
def pack_planes(to, source, channels, height, width, stride_y, stride_x, pad_y, pad_x, phases_y, phases_x,
                plane_height, plane_width, first, last):  # fmt: skip
    """Pad an image and split it into phases, so that each tap of a strided window reads consecutive numbers.

    Plane [c][p][q][plane_height][plane_width] holds the pixels (y*stride_y + p - pad_y, x*stride_x + q - pad_x),
    zero outside of the image; only its rows first <= y < last are written.
    """
    for c in range(channels):
        for p in range(phases_y):
            for q in range(phases_x):
                plane = ((c * phases_y + p) * phases_x + q) * plane_height
                left = min(plane_width, max(0, (pad_x - q + stride_x - 1) // stride_x))  # first x with a pixel
                right = max(left, min(plane_width, (width - 1 + pad_x - q) // stride_x + 1))  # one past the last
                for y in range(first, last):
                    d = (plane + y) * plane_width
                    row = y * stride_y + p - pad_y
                    s, to_right = 0, 0  # an empty line where the image has no such row
                    if 0 <= row < height:
                        s, to_right = (c * height + row) * width + left * stride_x + q - pad_x, right
                    if stride_x == 1:
                        for x in range(0, plane_width, LANES):
                            if left <= x <= to_right - LANES:
                                copy_vector(to, d + x, source, s + x - left)
                                continue
                            _line_1(to, d + x, source, s, left - x, to_right - x, plane_width - x)
                    elif stride_x == 2:
                        for x in range(0, plane_width, LANES):
                            _line_2(to, d + x, source, s, left - x, to_right - x, plane_width - x)
                    else:
                        for x in range(plane_width):
                            to[d + x] = 0
                        for x in range(to_right - left):
                            to[d + left + x] = source[s + stride_x * x]

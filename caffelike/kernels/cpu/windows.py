"""MAX pooling in registers: the maxima of a row of neighbouring windows at once, and their gradients.

Where a maximum was found is told by its place in the window, row by row, as an unsigned integer of any width; `none`,
the number of places in a window, where nothing exceeds -FLT_MAX.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.vector import AVX512, F32, I1, I32, I64, LANES, MACHINE, Emit

FLT_MAX = np.finfo(np.float32).max

_NUMBERS = ir.VectorType(I32, LANES)


def _lanes(factor: int = 1, start: int = 0) -> Any:
    return ir.Constant(_NUMBERS, [factor * lane + start for lane in range(LANES)])


def _small(e: Emit, value: Any) -> Any:
    """An intp in all lanes, as int32."""
    return e.splat(e.b.trunc(value, I32))


def _inside(e: Emit, columns: Any, width: Any) -> Any:
    """Mask of the lanes with 0 <= column < width, in one comparison."""
    return e.b.icmp_unsigned("<", columns, _small(e, width))


def _all(e: Emit, mask: Any) -> Any:
    """Whether all lanes are on."""
    return e.call(f"llvm.vector.reduce.and.v{LANES}i1", I1, mask)


def _load_places(e: Emit, pointer: Any, mask: Any) -> Any:
    kind = ir.VectorType(pointer.type.pointee, LANES)
    bits, to = kind.element.width, e.b.bitcast(pointer, kind.as_pointer())
    name, zero = f"llvm.masked.load.v{LANES}i{bits}.p0", ir.Constant(kind, [0] * LANES)

    def part() -> list:
        return [e.call(name, kind, to, ir.Constant(I32, bits // 8), mask, zero)]

    if MACHINE is AVX512:
        return part()[0]
    # others have masks for 32 bits only, at best: smaller numbers would go one by one
    return e.choose(_all(e, mask), lambda: [e.b.load(to, align=bits // 8)], part)[0]


def _store_places(e: Emit, value: Any, pointer: Any, mask: Any) -> None:
    kind = ir.VectorType(pointer.type.pointee, LANES)
    bits, to = kind.element.width, e.b.bitcast(pointer, kind.as_pointer())
    name = f"llvm.masked.store.v{LANES}i{bits}.p0"
    with e.b.if_else(_all(e, mask)) as (whole, part):
        with whole:
            e.b.store(value, to, align=bits // 8)
        with part:
            e.call(name, ir.VoidType(), value, to, ir.Constant(I32, bits // 8), mask)


def _place(e: Emit, pointer: Any, value: Any) -> Any:
    """An intp in all lanes, as an integer of those at `pointer`."""
    kind = pointer.type.pointee
    return e.splat(value if kind.width == 64 else e.b.trunc(value, kind))


def _make_row(stride: int) -> Any:
    @intrinsic
    def row(typingctx, x, start, width, rows, column, taps, step, y, to, places, first, none, n):
        """LANES windows side by side -> y[to:to + n]: their maxima (the first of equals; NaN never).

        x[start:]: the first row they see; `rows` >= 1 rows of `width` pixels. The first window begins at `column`
        (perhaps outside the image, as part of any window may), each has `taps` >= 1 columns, the next begins `step`
        (= stride where that is not 0) to the right. places[to:to + n] receives where each was found, `first`
        being the place of the first column in that row. Empty places: not wanted.
        """

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            x = e.array(context, given.args[0], values[0], values[1])
            width, rows, column, taps, step = values[2:7]
            y, places = (e.array(context, given.args[k], values[k], values[8]) for k in (7, 9))
            wanted = b.icmp_signed(">", context.make_array(given.args[9])(context, b, values[9]).nitems, e.int(0))
            first, none, n = values[10:]

            def pixels(line: Any, at: Any, columns: Any) -> Any:
                place = b.gep(line, [at])
                if stride == 1:
                    return e.masked_load(place, _inside(e, columns, width))
                if stride == 2:
                    low = e.masked_load(place, _inside(e, b.add(_small(e, at), _lanes()), width))
                    high = e.masked_load(
                        b.gep(place, [e.int(LANES)]), _inside(e, b.add(_small(e, at), _lanes(1, LANES)), width)
                    )
                    return e.shuffle(low, high, [2 * lane for lane in range(LANES)])
                wide = ir.VectorType(I64, LANES)
                bytes_on = b.shl(b.sext(columns, wide), ir.Constant(wide, [2] * LANES))
                places = b.inttoptr(
                    b.add(e.splat(b.ptrtoint(line, I64)), bytes_on), ir.VectorType(F32.as_pointer(), LANES)
                )
                name = f"llvm.masked.gather.v{LANES}f32.v{LANES}p0"
                return e.call(name, e.vector, places, ir.Constant(I32, 4), _inside(e, columns, width), e.const(0))

            apart = _lanes(stride) if stride else b.mul(_small(e, step), _lanes())

            def line(r: Any, state: list) -> list:
                offset = b.mul(r, width)

                def tap(k: Any, state: list) -> list:
                    at = b.add(column, k)
                    columns = b.add(_small(e, at), apart)
                    found = pixels(b.gep(x, [offset]), at, columns)
                    better = b.and_(_inside(e, columns, width), b.fcmp_ordered(">", found, state[0]))
                    here = _place(e, places, b.add(b.add(first, b.mul(r, taps)), k))
                    return [b.select(better, found, state[0]), b.select(better, here, state[1])]

                return e.loop(taps, state, tap)

            begin = [e.const(float(-FLT_MAX)), _place(e, places, none)]
            found = e.loop(rows, begin, line)
            mask = e.first(n)
            e.masked_store(found[0], y, mask)
            with b.if_then(wanted):
                _store_places(e, found[1], places, mask)
            return context.get_dummy_value()

        i = types.intp
        return types.void(x, i, i, i, i, i, i, y, i, places, i, i, i), codegen

    return row


max_row_1, max_row_2, max_row_any = (_make_row(stride) for stride in (1, 2, 0))


def _make_halving(taps: int) -> Any:
    @intrinsic
    def halving(typingctx, x, at, size, column, high, pad, step, y, to, out_size, n):
        """LANES columns of windows of `high` rows and `taps` (2 or 3) columns that move by 2 columns: their maxima.

        One plane y[to:] of out_size from x[at:] of size, both (height, width): the windows whose first column is
        `column`, column + 2, ...; n of them count. They begin `pad` rows above the plane and move by `step` rows.
        Values as in max_row_2, without where they were found: a maximum over rows comes first, so that vectors are
        taken apart once a window, not once a row.
        """

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            source, target = (e.array(context, given.args[k], values[k], values[k + 1]) for k in (0, 7))
            height, width = (b.extract_value(values[2], k) for k in (0, 1))
            out_height, out_width = (b.extract_value(values[9], k) for k in (0, 1))
            column, high, pad, step = values[3:7]
            lowest, starts = float(-FLT_MAX), [k * LANES for k in range(taps)]
            left = b.not_(e.first(b.neg(column)))
            masks = [e.first(b.sub(width, column), start) for start in starts]
            masks[0] = b.and_(masks[0], left)
            written = e.first(values[10])

            def row(k: Any, _: list) -> list:
                top = b.sub(b.mul(k, step), pad)
                below = b.add(top, high)
                first = b.select(b.icmp_signed("<", top, e.int(0)), e.int(0), top)
                rows = b.sub(b.select(b.icmp_signed("<", below, height), below, height), first)

                def line(r: Any, most: list) -> list:
                    place = b.gep(source, [b.add(b.mul(b.add(first, r), width), column)])
                    found = [
                        e.masked_load(b.gep(place, [e.int(start)]), mask, lowest)
                        for start, mask in zip(starts, masks, strict=True)
                    ]
                    return [b.select(b.fcmp_ordered(">", f, m), f, m) for f, m in zip(found, most, strict=True)]

                none = [e.const(lowest)] * taps
                most = e.choose(b.icmp_signed(">", rows, e.int(0)), lambda: e.loop(rows, none, line), lambda: none)
                even = e.shuffle(*most[:2], list(range(0, 2 * LANES, 2)))
                odd = e.shuffle(*most[:2], list(range(1, 2 * LANES, 2)))
                best = b.select(b.fcmp_ordered(">", odd, even), odd, even)
                if taps == 3:
                    beyond = e.shuffle(even, most[2], list(range(1, LANES + 1)))
                    best = b.select(b.fcmp_ordered(">", beyond, best), beyond, best)
                e.masked_store(best, b.gep(target, [b.mul(k, out_width)]), written)
                return []

            e.loop(out_height, [], row)
            return context.get_dummy_value()

        i, pair = types.intp, types.UniTuple(types.intp, 2)
        return types.void(x, i, pair, i, i, i, i, y, i, pair, i), codegen

    return halving


max_plane_2, max_plane_3 = (_make_halving(taps) for taps in (2, 3))


@intrinsic
def max_plane_tiles(typingctx, x, at, size, column, y, to, places, out_size, n):
    """LANES columns of windows of 2x2 pixels side by side: their maxima, and where they were found.

    One plane y[to:] of out_size from x[at:] of size, both (height, width): the windows whose first column is `column`,
    column + 2, ...; n of them count. Parts of them may lie below or to the right of the plane. Values as in max_row_2.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        source = e.array(context, given.args[0], *values[0:2])
        target, taken = (e.array(context, given.args[k], values[k], values[5]) for k in (4, 6))
        height, width = (b.extract_value(values[2], k) for k in (0, 1))
        out_height, out_width = (b.extract_value(values[7], k) for k in (0, 1))
        column, written = values[3], e.first(values[8])
        lowest, none = e.const(float(-FLT_MAX)), _place(e, taken, e.int(4))
        masks = [e.first(b.sub(width, column), start) for start in (0, LANES)]

        def line(place: Any, low: int, state: list) -> list:
            """The maxima after the row of pixels at `place`, the upper (0) or the lower one (1) of the windows."""
            found = [
                e.masked_load(b.gep(place, [e.int(k * LANES)]), mask, float(-FLT_MAX)) for k, mask in enumerate(masks)
            ]
            for tap in (0, 1):
                value = e.shuffle(*found, list(range(tap, 2 * LANES, 2)))
                better = b.fcmp_ordered(">", value, state[0])
                here = _place(e, taken, e.int(2 * low + tap))
                state = [b.select(better, value, state[0]), b.select(better, here, state[1])]
            return state

        def row(k: Any, _: list) -> list:
            number = b.add(b.mul(b.mul(k, e.int(2)), width), column)
            place = b.gep(source, [number])
            found = line(place, 0, [lowest, none])
            below = b.icmp_signed("<", b.add(b.mul(k, e.int(2)), e.int(1)), height)
            found = e.choose(below, lambda: line(b.gep(place, [width]), 1, found), lambda: found)
            put = b.mul(k, out_width)
            e.masked_store(found[0], b.gep(target, [put]), written)
            _store_places(e, found[1], b.gep(taken, [put]), written)
            return []

        e.loop(out_height, [], row)
        return context.get_dummy_value()

    i, pair = types.intp, types.UniTuple(types.intp, 2)
    return types.void(x, i, pair, i, y, i, places, pair, i), codegen


def _make_gradient(stride: int) -> Any:
    @intrinsic
    def gradient(typingctx, dy, start, places, widths, rows, width, taps, pad, dx, to, first, less, block):
        """A block of stride * LANES pixels of an image row: dx[to + ...] = the gradients of the windows they lie in.

        dy[start:]: `rows` >= 1 rows of `widths` windows that the image row lies in; each has `taps` columns. The row
        has `width` pixels and begins at dx[to]; in the first row of windows the place of its pixels is `first` + their
        column in the window, in each next one `less` less; `block`: which block.
        A pixel gets the gradient of the windows that took what lies at its place.
        """

        def codegen(context, builder, given, values):
            b, e = builder, Emit(builder)
            dy, taken = (e.array(context, given.args[k], values[k], values[1]) for k in (0, 2))
            widths, rows, width, taps, pad = values[3:8]
            dx, first, less = e.array(context, given.args[8], values[8], values[9]), values[10], values[11]
            begin = b.mul(values[12], e.int(LANES))  # over the stride

            def phase(remainder: int, r: Any, total: Any) -> Any:
                """Adds for the pixels stride * l + remainder what row r of windows has for them."""
                line = b.mul(r, widths)
                ahead = b.add(pad, e.int(remainder))
                tap = b.and_(ahead, e.int(stride - 1))  # the first tap that can lie on these pixels
                count = b.sdiv(b.add(b.sub(taps, tap), e.int(stride - 1)), e.int(stride))
                number = b.add(b.sub(first, b.mul(r, less)), tap)
                leftmost = b.sub(b.add(begin, b.sdiv(b.sub(ahead, tap), e.int(stride))), b.sub(count, e.int(1)))

                def add(k: Any, state: list) -> list:
                    window = b.add(leftmost, k)
                    mask = _inside(e, b.add(_small(e, window), _lanes()), widths)
                    place = b.add(line, window)
                    share = e.masked_load(b.gep(dy, [place]), mask)
                    before = b.mul(e.int(stride), b.sub(b.sub(count, e.int(1)), k))  # columns of the window
                    own = _place(e, taken, b.add(number, before))
                    mine = b.icmp_signed("==", _load_places(e, b.gep(taken, [place]), mask), own)
                    return [b.fadd(state[0], b.select(b.and_(mask, mine), share, e.const(0)))]

                some = b.icmp_signed(">", count, e.int(0))
                return e.choose(some, lambda: e.loop(count, [total], add), lambda: [total])[0]

            totals = e.loop(
                rows,
                [e.const(0)] * stride,
                lambda r, totals: [phase(i, r, total) for i, total in enumerate(totals)],
            )
            if stride == 2:
                mixed = [lane // 2 + lane % 2 * LANES for lane in range(2 * LANES)]
                totals = [e.shuffle(*totals, mixed[:LANES]), e.shuffle(*totals, mixed[LANES:])]
            at = b.mul(begin, e.int(stride))
            for i, total in enumerate(totals):
                e.masked_store(total, b.gep(dx, [b.add(at, e.int(i * LANES))]), e.first(b.sub(width, at), i * LANES))
            return context.get_dummy_value()

        i = types.intp
        return types.void(dy, i, places, i, i, i, i, i, dx, i, i, i, i), codegen

    return gradient


max_gradient_1, max_gradient_2 = (_make_gradient(stride) for stride in (1, 2))


@intrinsic
def max_gradient_tiles(typingctx, dy, start, places, n, dx, to, column, size, out_size):
    """LANES columns of windows of 2x2 that do not overlap: each writes its gradient to its place, else 0.

    One plane dx[to:] of size from dy[start:] of out_size, both (height, width): the pixels from `column` on, which is
    the first of a window; n windows count. A window's second row and column may lie outside of the plane.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        dy, chosen = (e.array(context, given.args[k], values[k], values[1]) for k in (0, 2))
        dx = e.array(context, given.args[4], *values[4:6])
        column, mask = values[6], e.first(values[3])
        (height, width), (out_height, out_width) = ([b.extract_value(v, k) for k in (0, 1)] for v in values[7:])
        masks = [e.first(b.sub(width, column), k * LANES) for k in (0, 1)]
        mixed = [lane // 2 + lane % 2 * LANES for lane in range(2 * LANES)]

        def write(gradient: Any, taken: Any, number: Any, low: int) -> None:
            even, odd = (
                b.select(b.icmp_signed("==", taken, _place(e, chosen, e.int(2 * low + tap))), gradient, e.const(0))
                for tap in (0, 1)
            )
            for k, part in enumerate(masks):
                zipped = e.shuffle(even, odd, mixed[k * LANES : (k + 1) * LANES])
                e.masked_store(zipped, b.gep(dx, [b.add(number, e.int(k * LANES))]), part)

        def row(k: Any, _: list) -> list:
            place = b.mul(k, out_width)
            gradient = e.masked_load(b.gep(dy, [place]), mask)
            taken = _load_places(e, b.gep(chosen, [place]), mask)
            top = b.mul(k, e.int(2))
            number = b.add(b.mul(top, width), column)
            write(gradient, taken, number, 0)
            with b.if_then(b.icmp_signed("<", b.add(top, e.int(1)), height)):
                write(gradient, taken, b.add(number, width), 1)
            return []

        e.loop(out_height, [], row)
        return context.get_dummy_value()

    i, pair = types.intp, types.UniTuple(types.intp, 2)
    return types.void(dy, i, places, i, dx, i, i, pair, pair), codegen


def _around(e: Emit, size: Any, columns: Any, number: Any) -> list:
    """The 3x3 pixels around LANES pixels from `number` of a plane, row by row: [(which are inside, how far off)].

    columns: of the pixels.
    """
    b = e.b
    height, width = (b.extract_value(size, k) for k in (0, 1))
    pixels = b.mul(height, width)
    here = e.first(b.sub(pixels, number))
    above, below = b.not_(e.first(b.sub(width, number))), e.first(b.sub(b.sub(pixels, width), number))
    left, right = (b.icmp_signed("!=", columns, _small(e, edge)) for edge in (e.int(0), b.sub(width, e.int(1))))
    found = []
    for row, inside in ((-1, b.and_(above, here)), (0, here), (1, below)):
        for column, there in ((-1, left), (0, None), (1, right)):
            mask = inside if there is None else b.and_(inside, there)
            found.append((mask, b.add(b.mul(width, e.int(row)), e.int(column))))
    return found


@intrinsic
def max_same(typingctx, x, start, size, columns, y, places):
    """A plane y[start:] of the maxima of the 3x3 pixels around each pixel of x[start:], and where they were found.

    size: (height, width); columns: int32, of each pixel, in whole vectors. Values and `places` as in max_row_1.
    """

    def codegen(context, builder, given, values):
        b, e = builder, Emit(builder)
        x, y, taken = (e.array(context, given.args[k], values[k], values[1]) for k in (0, 4, 5))
        wanted = b.icmp_signed(">", context.make_array(given.args[5])(context, b, values[5]).nitems, e.int(0))
        size, columns = values[2], e.array(context, given.args[3], values[3], e.int(0))
        pixels = b.mul(b.extract_value(size, 0), b.extract_value(size, 1))

        def vector(k: Any, _: list) -> list:
            number = b.mul(k, e.int(LANES))
            place, best, where = e.at(x, number), e.const(float(-FLT_MAX)), _place(e, taken, e.int(9))
            column = b.load(b.bitcast(e.at(columns, number), _NUMBERS.as_pointer()), align=4)
            for tap, (mask, offset) in enumerate(_around(e, size, column, number)):
                found = e.masked_load(e.at(place, offset), mask, float(-FLT_MAX))
                better = b.fcmp_ordered(">", found, best)
                best, where = b.select(better, found, best), b.select(better, _place(e, taken, e.int(tap)), where)
            mask = e.first(b.sub(pixels, number))
            e.masked_store(best, e.at(y, number), mask)
            with b.if_then(wanted):
                _store_places(e, where, e.at(taken, number), mask)
            return []

        e.loop(b.sdiv(b.add(pixels, e.int(LANES - 1)), e.int(LANES)), [], vector)
        return context.get_dummy_value()

    i = types.intp
    return types.void(x, i, types.UniTuple(i, 2), columns, y, places), codegen

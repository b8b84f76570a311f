"""The register tile every product runs on: C[rows, w] = A . B over packed panels, w up to COLUMNS.

A: panels of ROWS rows, [panel][kc][ROWS], zero padded.  B: one panel [kc][w rounded up to LANES].
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.jit import kernel, shared
from caffelike.kernels.vector import LANES, MACHINE, Emit, Machine

ROWS: int = MACHINE.rows
COLUMNS: int = MACHINE.vectors * LANES
DEPTH = 256
"""Most steps of k in a block: the panel of B (48 KB at 48 columns) then stays in the first-level cache."""

ADD, BIAS, RELU, STREAM, HALVE = 1, 2, 4, 8, 16
"""Flags of `multiply`: add to C; add the bias of the row; clip at 0 when done; write past the caches, where all of
C's lines begin at multiples of 64 bytes (`fence` afterwards). HALVE is for winograd.py only: write the maxima of
squares of 2x2."""

_AHEAD = 2048  # floats; asking 8 KB ahead on A doubles the speed of weights that come from L3 or memory


def emit_tile(
    e: Emit,
    machine: Machine,
    vectors: int,
    operands: tuple,
    sizes: tuple,
    flags: Any,
    extra: Any = None,
    ahead: tuple | None = None,
    places: Any = None,
) -> None:
    """C[rows, w] of one tile; operands: pointers A, B, C, bias; sizes: intp rows, w, kc, ldc.

    rows <= machine.rows and w <= vectors * lanes (and more than (vectors - 1) * lanes) are read and written.
    A block of k is summed from zero; C or the bias is added last, as BLAS does it: shorter chains round less, and the
    ties of max pooling then fall as in Caffe (LeNet's loss follows Caffe's to 1e-7 for hundreds of iterations).
    extra: pointer to one column of B more, `depth` numbers, whose sums lie in one vector, a lane a row; w must be full.
    ahead: pointers to a place in memory and to `depth` offsets from it; all of those cache lines are asked for.
    places: pointer to `depth` offsets from B: a line of it is there, and not behind the one before.
    """
    down = Emit(e.b, machine.rows)  # vectors that hold a column of A
    b, lanes = e.b, machine.lanes
    a_pointer, b_pointer, c_pointer, bias = operands
    rows, width, depth, ldc = sizes

    def flag(bit: int) -> Any:
        return b.icmp_signed("!=", b.and_(flags, e.int(bit)), e.int(0))

    inside = [e.int(0)]  # rows below the last read row 0 again, and are not written
    inside += [b.select(b.icmp_signed(">", rows, e.int(r)), e.int(r), e.int(0)) for r in range(1, machine.rows)]
    lines = [e.at(c_pointer, b.mul(ldc, r)) for r in inside]
    last = (vectors - 1) * lanes
    whole = b.icmp_signed("==", width, e.int(vectors * lanes))
    mask = e.first(width, last)

    def step(k: Any, sums: list) -> list:
        a = e.at(a_pointer, b.mul(k, e.int(machine.rows)))
        row = e.at(b_pointer, b.mul(k, e.int(vectors * lanes)) if places is None else b.load(e.at(places, k)))
        e.prefetch(e.at(a, _AHEAD))
        if ahead is not None:
            e.prefetch(e.at(ahead[0], b.load(e.at(ahead[1], k))), level=2)
        columns = [e.load(e.at(row, v * lanes)) for v in range(vectors)]
        result = []
        for r in range(machine.rows):
            factor = e.splat(b.load(e.at(a, r)))
            result += [e.fma(factor, columns[v], sums[r * vectors + v]) for v in range(vectors)]
        if extra is not None:
            result.append(down.fma(down.load(a), down.splat(b.load(e.at(extra, k))), sums[-1]))
        return result

    start = [e.const(0)] * (machine.rows * vectors) + ([] if extra is None else [down.const(0)])
    sums = e.loop(depth, start, step)
    beside = None if extra is None else sums.pop()

    finish = b.append_basic_block("finish")
    choices: list[tuple[ir.Block, list]] = []

    def choice(name: str, make: Any) -> ir.Block:
        block = b.append_basic_block(name)
        with b.goto_block(block):
            choices.append((block, make()))
            b.branch(finish)
        return block

    def from_c(load_last: Any) -> list:
        return [
            e.load(e.at(p, v * lanes)) if v < vectors - 1 else load_last(e.at(p, last))
            for p in lines
            for v in range(vectors)
        ]

    def from_bias() -> list:
        return [value for r in inside for value in [e.splat(b.load(e.at(bias, r)))] * vectors]

    full_c = choice("full_c", lambda: from_c(e.load))
    part_c = choice("part_c", lambda: from_c(lambda p: e.masked_load(p, mask)))
    biased = choice("biased", from_bias)
    zero = choice("zero", lambda: [e.const(0)] * (machine.rows * vectors))
    adding, fresh = b.append_basic_block("adding"), b.append_basic_block("fresh")
    add = flag(ADD)
    b.cbranch(add, adding, fresh)
    b.position_at_end(adding)
    b.cbranch(whole, full_c, part_c)
    b.position_at_end(fresh)
    b.cbranch(flag(BIAS), biased, zero)
    b.position_at_end(finish)
    addends = []
    for i in range(machine.rows * vectors):
        phi = b.phi(e.vector)
        for block, values in choices:
            phi.add_incoming(values[i], block)
        addends.append(phi)
    sums = [b.fadd(value, addend) for value, addend in zip(sums, addends, strict=True)]

    def with_bias() -> list:
        return [b.fadd(value, start) for value, start in zip(sums, from_bias(), strict=True)]

    sums = e.choose(b.and_(add, flag(BIAS)), with_bias, lambda: sums)
    floor = b.select(flag(RELU), e.const(0), e.const(float("-inf")))
    sums = [e.at_least(value, floor) for value in sums]
    done = b.append_basic_block("stored")
    full, tail = b.append_basic_block("full"), b.append_basic_block("tail")
    b.cbranch(b.and_(whole, b.icmp_signed("==", rows, e.int(machine.rows))), full, tail)
    b.position_at_end(full)
    plain, streamed = b.append_basic_block("plain"), b.append_basic_block("streamed")
    b.cbranch(flag(STREAM), streamed, plain)
    for block, store in ((plain, e.store), (streamed, e.stream)):
        b.position_at_end(block)
        for r, line in enumerate(lines):
            for v in range(vectors):
                store(sums[r * vectors + v], e.at(line, v * lanes))
        b.branch(done)
    b.position_at_end(tail)
    for r, line in enumerate(lines):
        for v in range(vectors - 1):
            e.store(sums[r * vectors + v], e.at(line, v * lanes))
        e.masked_store(sums[r * vectors + vectors - 1], e.at(line, last), mask)
        following = b.append_basic_block("row") if r + 1 < machine.rows else done
        if r + 1 < machine.rows:
            b.cbranch(b.icmp_signed(">", rows, e.int(r + 1)), following, done)
        else:
            b.branch(done)
        b.position_at_end(following)
    if beside is not None:
        _finish_column(e, beside, [e.at(line, vectors * lanes) for line in lines], bias, inside, rows, flags)


def _finish_column(e: Emit, sums: Any, places: list, bias: Any, inside: list, rows: Any, flags: Any) -> None:
    """Add to the sums of one column what the flags say, and store those of the first `rows` rows."""
    b, zero = e.b, ir.Constant(ir.FloatType(), 0.0)

    def flag(bit: int) -> Any:
        return b.icmp_signed("!=", b.and_(flags, e.int(bit)), e.int(0))

    nothing = [zero] * len(places)
    starts = e.choose(flag(BIAS), lambda: [b.load(e.at(bias, r)) for r in inside], lambda: nothing)
    before = e.choose(flag(ADD), lambda: [b.load(p) for p in places], lambda: nothing)
    floor = b.select(flag(RELU), zero, ir.Constant(ir.FloatType(), float("-inf")))
    for r, (place, start, old) in enumerate(zip(places, starts, before, strict=True)):
        value = b.fadd(b.fadd(b.extract_element(sums, e.int(r)), old), start)
        value = b.select(b.fcmp_ordered("<", value, floor), floor, value)
        with b.if_then(b.icmp_signed(">", rows, e.int(r))):
            b.store(value, place)


def _emit_from(context: Any, b: Any, kinds: Any, values: Any, vectors: int, wider: bool, ahead: Any = None) -> Any:
    """emit_tile with the arguments of a tile."""
    e = Emit(b)
    array = lambda i, at: e.array(context, kinds[i], values[i], at)  # noqa: E731
    operands = array(0, values[1]), array(2, e.int(0)), array(3, values[4]), array(5, values[6])
    extra = e.at(operands[1], b.mul(values[9], e.int(vectors * LANES))) if wider else None
    emit_tile(e, MACHINE, vectors, operands, tuple(values[7:11]), values[11], extra, ahead)
    return context.get_dummy_value()


def _make_tile(vectors: int, wider: bool = False) -> Any:
    @intrinsic
    def tile(typingctx, a, ai, b, c, ci, bias, bi, rows, width, depth, ldc, flags):
        n = types.intp

        def codegen(context, builder, given, values):
            return _emit_from(context, builder, given.args, values, vectors, wider)

        return types.void(a, n, b, c, n, bias, n, n, n, n, n, n), codegen

    return tile


def _make_asking(vectors: int, wider: bool = False) -> Any:
    @intrinsic
    def tile(typingctx, a, ai, b, c, ci, bias, bi, rows, width, depth, ldc, flags, source, i, offsets):
        n = types.intp

        def codegen(context, builder, given, values):
            ahead = Emit(builder).at(values[12], values[13]), values[14]
            return _emit_from(context, builder, given.args, values, vectors, wider, ahead)

        return types.void(a, n, b, c, n, bias, n, n, n, n, n, n, source, n, offsets), codegen

    return tile


@kernel
def flags_of_block(flags, first, last):
    """What of `flags` is for a block of k, which may be the first and the last: others add to those before them."""
    return (flags & (ADD | BIAS) if first else ADD) | (flags & RELU if last else 0)


def _make_placed(vectors: int) -> Any:
    @intrinsic
    def tile(typingctx, a, ai, b, bi, places, c, ci, bias, row, rows, width, depth, ldc, flags):
        n = types.intp

        def codegen(context, builder, given, values):
            e = Emit(builder)
            operands = tuple(e.at(values[i], values[i + 1]) for i in (0, 2, 5, 7))
            emit_tile(e, MACHINE, vectors, operands, tuple(values[9:13]), values[13], places=values[4])
            return context.get_dummy_value()

        return types.void(a, n, b, n, places, c, n, bias, n, n, n, n, n, n), codegen

    return tile


_tile1, _tile2, _tile3 = _make_tile(1), _make_tile(2), _make_tile(3)
_tile_wider = _make_tile(MACHINE.vectors, wider=True)
_placed1, _placed2, _placed3 = _make_placed(1), _make_placed(2), _make_placed(3)
_asking3, _asking_wider = _make_asking(3), _make_asking(MACHINE.vectors, wider=True)

WIDER = COLUMNS + 1
"""The width of a panel with one column more, which lies behind the others, [kc]: maps of 7x7 and 14x14 pixels are
multiples of 49. Only where there are registers for it (AVX-512)."""

_FLOATS = types.CPointer(types.float32)
_INTS = types.CPointer(types.int64)
_INT = types.intp


@shared(types.void(_FLOATS, _FLOATS, _FLOATS, _FLOATS, _INT, _INT, _INT, _INT, _INT))
def multiply(a, b, c, bias, rows, width, depth, ldc, flags):
    """C[rows, width] (pitch ldc) from the panels of A and the one panel of B; bias: one value a row.

    multiply(a, i, b, j, c, k, bias, l, rows, width, depth, ldc, flags) with arrays and where in them to start.
    """
    for i in range(0, rows, ROWS):
        left = min(ROWS, rows - i)
        if width == WIDER:
            _tile_wider(a, i * depth, b, c, i * ldc, bias, i, left, COLUMNS, depth, ldc, flags)
        elif width > 2 * LANES:
            _tile3(a, i * depth, b, c, i * ldc, bias, i, left, width, depth, ldc, flags)
        elif width > LANES:
            _tile2(a, i * depth, b, c, i * ldc, bias, i, left, width, depth, ldc, flags)
        else:
            _tile1(a, i * depth, b, c, i * ldc, bias, i, left, width, depth, ldc, flags)


@shared(types.void(_FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _INTS, _INT, _INT, _INT, _INT, _INT))
def multiply_asking(a, b, c, bias, source, offsets, rows, width, depth, ldc, flags):
    """As `multiply`, and meanwhile asks for source[offsets[k] : offsets[k] + width], k < depth; width > 2 * LANES."""
    panels, lines, asked = (rows + ROWS - 1) // ROWS, (width + 15) // 16, 0
    for i in range(0, rows, ROWS):
        left = min(ROWS, rows - i)
        if i // ROWS * lines // panels >= asked:  # one line of each, spread over the rows
            at = 16 * asked
            asked += 1
            if width == WIDER:
                _asking_wider(
                    a, i * depth, b, c, i * ldc, bias, i, left, COLUMNS, depth, ldc, flags, source, at, offsets
                )
            else:
                _asking3(a, i * depth, b, c, i * ldc, bias, i, left, width, depth, ldc, flags, source, at, offsets)
        elif width == WIDER:
            _tile_wider(a, i * depth, b, c, i * ldc, bias, i, left, COLUMNS, depth, ldc, flags)
        else:
            _tile3(a, i * depth, b, c, i * ldc, bias, i, left, width, depth, ldc, flags)


@shared(types.void(_FLOATS, _FLOATS, _INTS, _FLOATS, _FLOATS, _INT, _INT, _INT, _INT, _INT))
def multiply_lines(a, b, places, c, bias, rows, width, depth, ldc, flags):
    """As `multiply` for any width, but line k of B is b[places[k] : places[k] + width]; what is behind it is read, too.

    Pieces of two vectors where three would leave less than one.
    """
    for i in range(0, rows, ROWS):
        n, done = min(ROWS, rows - i), 0
        while done < width:
            left, to = width - done, i * ldc + done
            w = left if left <= 3 * LANES else (2 * LANES if left <= 4 * LANES else 3 * LANES)
            if w > 2 * LANES:
                _placed3(a, i * depth, b, done, places, c, to, bias, i, n, w, depth, ldc, flags)
            elif w > LANES:
                _placed2(a, i * depth, b, done, places, c, to, bias, i, n, w, depth, ldc, flags)
            else:
                _placed1(a, i * depth, b, done, places, c, to, bias, i, n, w, depth, ldc, flags)
            done += w

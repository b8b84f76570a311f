"""What batch normalisation does with one plane of a channel, vector by vector.

LLVM's own loops are as fast on large planes, but one of 7 x 7 is over before they have begun.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.vector import I1, I64, Emit

_N, _F = types.intp, types.float32
_TRUE = ir.Constant(I1, 1)


@intrinsic
def plane_sum(typingctx, x, at, n):
    """The sum of x[at : at + n]."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        source = e.array(context, given.args[0], *values[:2])
        return e.sweep(values[2], 1, lambda i, mask: [_load(e, source, i, mask)])[0]

    return _F(x, _N, _N), codegen


@intrinsic
def plane_squares(typingctx, x, at, n, centre):
    """The sum of (x - centre)^2 over x[at : at + n]."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        source, centre = e.array(context, given.args[0], *values[:2]), e.splat(values[3])

        def square(i: Any, mask: Any) -> list:
            away = builder.fsub(_load(e, source, i, mask), centre)
            if mask is not None:
                away = builder.select(mask, away, e.const(0))
            return [builder.fmul(away, away)]

        return e.sweep(values[2], 1, square)[0]

    return _F(x, _N, _N, _F), codegen


@intrinsic
def plane_forward(typingctx, x, kept, y, at, n, centre, factor, scale, bias, slope):
    """kept = (x - centre) factor and y = max(v, 0) + slope min(v, 0) of v = kept scale + bias, at : at + n of all.

    slope 1: y = v. Any two of the arrays may be the same. kept by itself is for much later: where it begins at a
    multiple of a vector it goes past the caches (`fence` afterwards).
    """

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        source, between, target = (e.array(context, given.args[k], values[k], values[3]) for k in range(3))
        centre, factor, scale, bias, slope = (e.splat(v) for v in values[5:])

        def run(keep: Any) -> list:
            def step(i: Any, mask: Any) -> list:
                normal = b.fmul(b.fsub(_load(e, source, i, mask), centre), factor)
                keep(e, normal, between, i, mask)
                _store(e, _clipped(e, b.fadd(b.fmul(normal, scale), bias), slope), target, i, mask)
                return []

            return e.sweep(values[4], 0, step)

        _past_caches(e, between, b.icmp_unsigned("!=", between, target), run)
        return context.get_dummy_value()

    return types.void(x, kept, y, _N, _N, _F, _F, _F, _F, _F), codegen


@intrinsic
def plane_forward_sum(typingctx, x, kept, other, y, at, n, centre, factor, scale, bias, slope):
    """kept = (x - centre) factor and y = max(v, 0) + slope min(v, 0) of v = kept scale + bias + other.

    at : at + n of all; kept may be x.
    """

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        source, between, more, target = (e.array(context, given.args[k], values[k], values[4]) for k in range(4))
        centre, factor, scale, bias, slope = (e.splat(v) for v in values[6:])

        def step(i: Any, mask: Any) -> list:
            normal = b.fmul(b.fsub(_load(e, source, i, mask), centre), factor)
            _store(e, normal, between, i, mask)
            value = b.fadd(b.fadd(b.fmul(normal, scale), bias), _load(e, more, i, mask))
            _store(e, _clipped(e, value, slope), target, i, mask)
            return []

        e.sweep(values[5], 0, step)
        return context.get_dummy_value()

    return types.void(x, kept, other, y, _N, _N, _F, _F, _F, _F, _F), codegen


@intrinsic
def plane_arriving(typingctx, first, second, both, y, kept, dx, other, handed, at, n, slope):
    """dx = the gradient that arrives at a sum with ReLU behind it: first, + second if both, where y > 0; else slope it.

    at : at + n of all; dx may be first or second. Returns the sums of dx and of dx kept. handed: other, for much later,
    becomes the same; where it begins at a multiple of a vector it goes past the caches (`fence` afterwards).
    """

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        array = lambda k: e.array(context, given.args[k], values[k], values[8])  # noqa: E731
        one, two, passed, between, target, copy = (array(k) for k in (0, 1, 3, 4, 5, 6))
        both, handed, slope = values[2], values[7], e.splat(values[10])

        def run(more: bool, give: Any) -> list:
            def step(i: Any, mask: Any) -> list:
                value = _load(e, one, i, mask)
                if more:
                    value = b.fadd(value, _load(e, two, i, mask))
                above = b.fcmp_ordered(">", _load(e, passed, i, mask), e.const(0))
                value = b.fmul(value, b.select(above, e.const(1), slope))
                _store(e, value, target, i, mask)
                if give is not None:
                    give(e, value, copy, i, mask)
                return [value, b.fmul(value, _load(e, between, i, mask))]

            return e.sweep(values[9], 2, step)

        def give(more: bool) -> list:
            return e.choose(
                handed, lambda: _past_caches(e, copy, _TRUE, lambda to: run(more, to)), lambda: run(more, None)
            )

        sums = e.choose(both, lambda: give(True), lambda: give(False))
        return context.make_tuple(builder, types.UniTuple(_F, 2), sums)

    i = types.boolean
    return types.UniTuple(_F, 2)(first, second, i, y, kept, dx, other, i, _N, _N, _F), codegen


@intrinsic
def plane_sums_back(typingctx, dy, kept, at, n, scale, bias, slope):
    """The sums of the gradient in front of ReLU, and of that times kept; arguments as in plane_forward."""

    def codegen(context, builder, given, values):
        e = Emit(builder)
        gradient, between = (e.array(context, given.args[k], values[k], values[2]) for k in range(2))
        scale, bias, slope = (e.splat(v) for v in values[4:])

        def step(i: Any, mask: Any) -> list:
            normal = _load(e, between, i, mask)
            passed = _passed(e, _load(e, gradient, i, mask), normal, scale, bias, slope)
            return [passed, builder.fmul(passed, normal)]

        sums = e.sweep(values[3], 2, step)
        return context.make_tuple(builder, types.UniTuple(_F, 2), sums)

    return types.UniTuple(_F, 2)(dy, kept, _N, _N, _F, _F, _F), codegen


@intrinsic
def plane_backward(typingctx, dy, kept, dx, at, n, scale, bias, slope, level, slant, factor):
    """dx = (the gradient in front of ReLU - level - kept slant) factor; dx may be dy."""

    def codegen(context, builder, given, values):
        e, b = Emit(builder), builder
        gradient, between, target = (e.array(context, given.args[k], values[k], values[3]) for k in range(3))
        scale, bias, slope, level, slant, factor = (e.splat(v) for v in values[5:])

        def step(i: Any, mask: Any) -> list:
            normal = _load(e, between, i, mask)
            passed = _passed(e, _load(e, gradient, i, mask), normal, scale, bias, slope)
            left = b.fsub(b.fsub(passed, level), b.fmul(normal, slant))
            _store(e, b.fmul(left, factor), target, i, mask)
            return []

        e.sweep(values[4], 0, step)
        return context.get_dummy_value()

    return types.void(dy, kept, dx, _N, _N, _F, _F, _F, _F, _F, _F), codegen


def _passed(e: Emit, gradient: Any, normal: Any, scale: Any, bias: Any, slope: Any) -> Any:
    """The gradient times 1 where normal scale + bias is positive, else times slope."""
    value = e.b.fadd(e.b.fmul(normal, scale), bias)
    return e.b.fmul(gradient, e.b.select(e.b.fcmp_ordered(">", value, e.const(0)), e.const(1), slope))


def _clipped(e: Emit, value: Any, slope: Any) -> Any:
    """max(value, 0) + slope min(value, 0)."""
    above = e.b.fcmp_ordered(">", value, e.const(0))
    below = e.b.fmul(slope, e.b.select(above, e.const(0), value))
    return e.b.fadd(e.b.select(above, value, e.const(0)), below)


def _past_caches(e: Emit, pointer: Any, wanted: Any, run: Any) -> list:
    """What run(store) gives, with a store past the caches where that is wanted and the place a multiple of a vector."""
    whole = e.b.icmp_unsigned("==", e.b.and_(e.b.ptrtoint(pointer, I64), e.int(4 * e.width - 1)), e.int(0))
    return e.choose(e.b.and_(wanted, whole), lambda: run(_stream), lambda: run(_store))


def _load(e: Emit, pointer: Any, i: Any, mask: Any) -> Any:
    there = e.at(pointer, i)
    return e.load(there) if mask is None else e.masked_load(there, mask)


def _store(e: Emit, value: Any, pointer: Any, i: Any, mask: Any) -> None:
    there = e.at(pointer, i)
    if mask is None:
        e.store(value, there)
    else:
        e.masked_store(value, there, mask)


def _stream(e: Emit, value: Any, pointer: Any, i: Any, mask: Any) -> None:
    if mask is None:
        e.stream(value, e.at(pointer, i))
    else:
        _store(e, value, pointer, i, mask)

"""Crop, mirror, mean and scale of one record in one pass; see data/transformer.py for the definition.

They run in the calling thread and without the GIL, so that several threads may prepare a batch. Each pixel is
(value - mean) * scale in float32, in this order. mean: (channels, 1, 1), or (channels, height, width) as the record.

Rows are some dozen to some hundred pixels, and what LLVM makes of a loop over them does the last of them one by one and
a mirrored row slowly. So `_row` takes vectors only: the first and the last overlap their neighbours, those between
begin on cache lines of the result (a store across two lines takes twice as long), and mirroring turns them round in a
register. Stores past the caches were tried: four times slower, for the ends of rows are parts of lines.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.jit import kernel
from caffelike.kernels.vector import I32, I64, LANES, Emit, prefetch, prefetch_to_write

_READ_AHEAD, _WRITE_AHEAD = 12, 8  # rows to ask for in advance: the processor alone takes a tenth longer, and a third
# longer where rows are read backwards

_READ_AHEAD, _WRITE_AHEAD = 12, 8  # rows to ask for in advance: the processor alone takes a tenth longer, and a third
# longer where rows are read backwards


@intrinsic
def _row(typingctx, values, i, shift, mean, j, whole, scale, out, o, width, mirrored):
    """out[o + x] = ((values[i + x] >> shift & 255) - level) * scale for x < width; width >= LANES; bytes: shift 0.

    The level is mean[j + x] if `whole`, else mean[j]. If `mirrored`, it is written to out[o + width - 1 - x].
    """

    def codegen(context, builder, given, args):
        b, e = builder, Emit(builder)
        source, level, there = (e.array(context, given.args[k], *args[k : k + 2]) for k in (0, 3, 7))
        shift, whole, scale, width, mirrored = args[2], args[5], e.splat(args[6]), args[9], args[10]
        packed, wide = ir.VectorType(source.type.pointee, LANES), ir.VectorType(I32, LANES)
        shift, low = e.splat(b.trunc(shift, I32)), ir.Constant(wide, [255] * LANES)
        flat, last = e.splat(b.load(level)), b.sub(width, e.int(LANES))
        lead = b.and_(b.lshr(b.ptrtoint(there, I64), e.int(2)), e.int(LANES - 1))
        count = b.sdiv(b.add(b.add(width, lead), e.int(LANES - 1)), e.int(LANES))
        back = list(range(LANES - 1, -1, -1))

        def sweep(level_at: Any, turned: bool) -> list:
            def step(k: Any, _: list) -> list:
                at = b.sub(b.mul(k, e.int(LANES)), lead)  # on a cache line
                at = b.select(b.icmp_signed("<", at, e.int(0)), e.int(0), at)
                at = b.select(b.icmp_signed("<", at, last), at, last)
                here = b.sub(last, at) if turned else at
                pixels = b.load(b.bitcast(e.at(source, here), packed.as_pointer()), align=1)
                pixels = b.and_(b.lshr(pixels, shift), low) if packed == wide else b.zext(pixels, wide)
                result = b.fmul(b.fsub(b.sitofp(pixels, e.vector), level_at(here)), scale)
                e.store(e.shuffle(result, result, back) if turned else result, e.at(there, at))
                return []

            return e.loop(count, [], step)

        def either(turned: bool) -> list:
            return e.choose(
                whole, lambda: sweep(lambda at: e.load(e.at(level, at)), turned), lambda: sweep(lambda _: flat, turned)
            )

        e.choose(mirrored, lambda: either(True), lambda: either(False))
        return context.get_dummy_value()

    i, one = types.intp, types.boolean
    return types.void(values, i, i, mean, i, one, types.float32, out, i, i, one), codegen


@kernel
def _record(values, first, plane, columns, byte, mean, out, to, top, left, mirrored, scale):
    """`out[to]` (channels, height, width) from values[first], of rows of `columns` numbers; values and mean are flat.

    plane: from one channel of values to the next; byte: which of a number is channel c: byte - c, or 0.
    """
    channels, height, width = out.shape[1:]
    size, scale = mean.size // channels, np.float32(scale)
    whole, target, start = size > 1, out.reshape(-1), to * channels * height * width
    for c in range(channels):
        shift = 8 * max(byte - c, 0)
        for y in range(height):
            at = (top + y) * columns + left
            i, j, o = first + c * plane + at, c * size + (at if whole else 0), start + (c * height + y) * width
            for x in range(0, width, 64 // values.itemsize):
                prefetch(values, i + _READ_AHEAD * columns + x)
            for x in range(0, width, 16):
                prefetch_to_write(target, o + _WRITE_AHEAD * width + x)
            if width >= LANES:
                _row(values, i, shift, mean, j, whole, scale, target, o, width, mirrored)
            else:
                for x in range(width):
                    value = np.float32(np.int32(values[i + x] >> shift & 255))
                    there = o + (width - 1 - x if mirrored else x)
                    target[there] = (value - mean[j + (x if whole else 0)]) * scale


@kernel
def planes(values, mean, out, top, left, mirrored, scale):
    """out (channels, h, w) from the uint8 `values` of (channels, height, width), cut out at (top, left)."""
    rows, columns = values.shape[1:]
    source, level, target = values.reshape(-1), mean.reshape(-1), out.reshape((1, *out.shape))
    _record(source, 0, rows * columns, columns, 0, level, target, 0, top, left, mirrored, scale)


@kernel
def planes_of_all(values, mean, out, corners, mirrored, scale):
    """`planes` for values (n, channels, height, width), corners (n, 2) of (top, left) and mirrored (n,)."""
    rows, columns = values.shape[2:]
    source, level, size = values.reshape(-1), mean.reshape(-1), values[0].size
    for i in range(len(values)):
        top, left = corners[i]
        _record(source, i * size, rows * columns, columns, 0, level, out, i, top, left, mirrored[i], scale)


@kernel
def words(values, mean, out, top, left, mirrored, scale):
    """out (3, h, w) = blue, green, red from the uint32 `values` of (height, width), red in the lowest byte."""
    source, level, target = values.reshape(-1), mean.reshape(-1), out.reshape((1, *out.shape))
    _record(source, 0, 0, values.shape[1], 2, level, target, 0, top, left, mirrored, scale)


@kernel
def interleaved(values, mean, out, top, left, mirrored, scale):
    """out (channels, h, w) from the uint8 `values` of (height, width, channels), cut out at (top, left)."""
    channels, height, width = out.shape
    scale, whole = np.float32(scale), mean[0].size > 1
    for y in range(height):
        row = values[top + y, left : left + width]
        for c in range(channels):
            there, flat = out[c, y], mean[c, 0, 0]
            for x in range(width):
                at = np.uint64(width - 1 - x if mirrored else x)
                level = mean[c, top + y, np.uint64(left) + at] if whole else flat
                there[x] = (np.float32(np.int32(row[at, c])) - level) * scale

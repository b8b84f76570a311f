"""Convolution with one input and one output channel a group (group = channels): no products of matrices in it.

Windows of 3x3 and 5x5 look straight at the image, with all factors in vector registers, a strip as wide as a vector
after the other from top to bottom; only strips at the left and right edge are masked. Others walk a padded plane (see
pack_planes) as one long line, gaps between its rows included: one multiply-add per tap and number, without tails.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from caffelike.kernels.cpu.correlate import NOTHING, Window, planes_of
from caffelike.kernels.cpu.pack import pack_planes
from caffelike.kernels.jit import SUMS
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES, Emit

_BLOCK = 2048  # numbers of a plane at a time: sums and plane stay in the first-level cache


def _make_plane(side: int, step: int) -> Any:
    """The intrinsic plane(...) for windows of side x side pixels without holes that move by `step` pixels."""

    @intrinsic
    def plane(typingctx, x, at, size, weight, first, direction, start, pad, y, to, out, zeros, zero, relu):
        """One plane y[to...] of size `out` = start + x[at...] of size `size` seen through the window; pairs are (y, x).

        weight[first + t*direction] belongs to tap t. zeros[zero...]: a line of zeros, for rows outside of the plane.
        """

        def codegen(context, builder, given, values):
            e, b = Emit(builder), builder
            pair = [lambda i, k=k: b.extract_value(values[i], k) for k in (0, 1)]
            height, width, out_height, out_width = pair[0](2), pair[1](2), pair[0](10), pair[1](10)
            pad_y, pad_x = pair[0](7), pair[1](7)
            source = e.array(context, given.args[0], *values[0:2])
            factor = e.array(context, given.args[3], *values[3:5])
            target = e.array(context, given.args[8], *values[8:10])
            nothing = e.array(context, given.args[11], *values[11:13])
            direction, begin = values[5], e.splat(values[6])
            factors = [e.splat(b.load(e.at(factor, b.mul(direction, e.int(t))))) for t in range(side * side)]
            floor = b.select(values[13], e.const(0), e.const(float("-inf")))
            reach = step * LANES + side - 1  # how many columns one vector looks at
            vectors = b.sdiv(b.add(out_width, e.int(LANES - 1)), e.int(LANES))
            starts = list(range(side)) if step == 1 else [k for j in range(0, side, 2) for k in (j, j + LANES)]

            def strip(v: Any, _: list) -> list:
                """LANES columns of the output, from top to bottom."""
                place = b.sub(b.mul(v, e.int(step * LANES)), pad_x)
                to_right = b.mul(v, e.int(LANES))
                written = e.first(b.sub(out_width, to_right))
                whole = b.and_(
                    b.icmp_signed(">=", place, e.int(0)), b.icmp_signed("<=", b.add(place, e.int(reach)), width)
                )

                def rows_by(load: Any) -> list:
                    def row(r: Any) -> list:
                        """What the `side` taps of a window's row see in row r of the plane."""
                        inside = b.icmp_unsigned("<", r, height)
                        line = e.at(b.select(inside, e.at(source, b.mul(r, width)), nothing), place)
                        seen = {k: load(line, k) for k in starts}
                        if step == 1:
                            return list(seen.values())
                        lanes = [list(range(parity, 2 * LANES, 2)) for parity in (0, 1)]
                        return [e.shuffle(seen[j - j % 2], seen[j - j % 2 + LANES], lanes[j % 2]) for j in range(side)]

                    def add(total: Any, i: int, seen: list) -> Any:
                        for j in range(side):
                            total = e.fma(factors[i * side + j], seen[j], total)
                        return total

                    def finish(k: Any, total: Any) -> None:
                        there = e.at(target, b.add(b.mul(k, out_width), to_right))
                        e.masked_store(e.at_least(total, floor), there, written)

                    if step == 1:  # a row of the plane is read once, for all rows of the output that see it
                        sums: list = []
                        for r in range(side - 1):
                            seen = row(b.sub(e.int(r), pad_y))
                            sums = [add(total, r - k, seen) for k, total in enumerate([*sums, begin])]

                        def slide(k: Any, sums: list) -> list:
                            seen = row(b.sub(b.add(k, e.int(side - 1)), pad_y))
                            sums = [add(total, side - 1 - i, seen) for i, total in enumerate([*sums, begin])]
                            finish(k, sums[0])
                            return sums[1:]

                        e.loop(out_height, sums, slide)
                        return []

                    def window(k: Any, _: list) -> list:
                        total = begin
                        for i in range(side):
                            total = add(total, i, row(b.add(b.sub(b.mul(k, e.int(step)), pad_y), e.int(i))))
                        finish(k, total)
                        return []

                    e.loop(out_height, [], window)
                    return []

                masks = {}
                for k in starts:
                    column = b.add(place, e.int(k))
                    masks[k] = b.and_(e.first(b.sub(width, column)), b.not_(e.first(b.neg(column))))
                e.choose(
                    whole,
                    lambda: rows_by(lambda line, k: e.load(e.at(line, k))),
                    lambda: rows_by(lambda line, k: e.masked_load(e.at(line, k), masks[k])),
                )
                return []

            e.loop(vectors, [], strip)
            return context.get_dummy_value()

        intp, both = types.intp, types.UniTuple(types.intp, 2)
        return types.void(
            x, intp, both, weight, intp, intp, types.float32, both, y, intp, both, zeros, intp, types.boolean
        ), codegen

    return plane


_plane_3_1, _plane_3_2 = _make_plane(3, 1), _make_plane(3, 2)
_plane_5_1, _plane_5_2 = _make_plane(5, 1), _make_plane(5, 2)


@task
def _slide_3(worker, lo, hi, x, weight, bias, y, channels, size, out, stride, pad, mirrored, biased, relu, zeros, slot):
    """Planes lo..hi = (n, channel) by windows of 3x3 with steps of 1 or 2 pixels."""
    zeros[worker * slot : (worker + 1) * slot] = 0
    zero = worker * slot + LANES
    for q in range(lo, hi):
        c = q % channels
        start = bias[c] if biased else np.float32(0)
        first, direction = (c * 9 + 8, -1) if mirrored else (c * 9, 1)
        at, to = q * size[0] * size[1], q * out[0] * out[1]
        if stride[1] == 1:
            _plane_3_1(x, at, size, weight, first, direction, start, pad, y, to, out, zeros, zero, relu)
        else:
            _plane_3_2(x, at, size, weight, first, direction, start, pad, y, to, out, zeros, zero, relu)


@task
def _slide_5(worker, lo, hi, x, weight, bias, y, channels, size, out, stride, pad, mirrored, biased, relu, zeros, slot):
    """As _slide_3 by windows of 5x5."""
    zeros[worker * slot : (worker + 1) * slot] = 0
    zero = worker * slot + LANES
    for q in range(lo, hi):
        c = q % channels
        start = bias[c] if biased else np.float32(0)
        first, direction = (c * 25 + 24, -1) if mirrored else (c * 25, 1)
        at, to = q * size[0] * size[1], q * out[0] * out[1]
        if stride[1] == 1:
            _plane_5_1(x, at, size, weight, first, direction, start, pad, y, to, out, zeros, zero, relu)
        else:
            _plane_5_2(x, at, size, weight, first, direction, start, pad, y, to, out, zeros, zero, relu)


@task(fastmath=SUMS)
def _slide(worker, lo, hi, x, weight, bias, y, offsets, sizes, stride, pad, phases, plane, biased, relu, planes,
           planes_slot, sums, sums_slot):  # fmt: skip
    """Planes lo..hi = (n, channel)."""
    channels, height, width, out_height, out_width, taps = sizes
    own = worker * planes_slot + LANES
    high = max(1, min(out_height, _BLOCK // plane[1]))
    total = sums[worker * sums_slot : worker * sums_slot + high * plane[1]]
    for q in range(lo, hi):
        c = q % channels
        pack_planes(
            planes, own, x, q * height * width, 1, height, width, stride[0], stride[1], pad[0], pad[1],
            phases[0], phases[1], plane[0], plane[1], 0, plane[0],
        )  # fmt: skip
        for row in range(0, out_height, high):
            n = min(high, out_height - row) * plane[1]
            start = bias[c] if biased else np.float32(0)
            for i in range(n):
                total[i] = start
            for t in range(taps):
                at = own + offsets[t] + row * plane[1]
                line, factor = planes[at : at + n], weight[c * taps + t]
                for i in range(n):
                    total[i] += factor * line[i]
            if relu:
                for i in range(n):
                    total[i] = np.float32(0) if total[i] < 0 else total[i]
            for r in range(row, min(out_height, row + high)):
                to, from_sums = y[(q * out_height + r) * out_width :], total[(r - row) * plane[1] :]
                for i in range(out_width):
                    to[i] = from_sums[i]


def slide(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    window: Window,
    mirrored: bool = False,
    relu: bool = False,
) -> None:
    """y (N, C, OH, OW) = each map of x (N, C, H, W) with its own window of weight (C, 1, kh, kw), plus bias."""
    side = window.kernel[0]
    if window.kernel in ((3, 3), (5, 5)) and window.dilation == (1, 1) and window.stride in ((1, 1), (2, 2)):
        # zeros on either side, too: a masked load that touches a page that is not there takes hundreds of cycles
        size, out, slot = x.shape[2:], y.shape[2:], x.shape[3] + 5 * LANES
        grain = max(1, 50_000 // (side * side * out[0] * out[1] + 1))
        (_slide_3 if side == 3 else _slide_5)(
            x.shape[0] * x.shape[1], grain, x.reshape(-1), weight.reshape(-1), NOTHING if bias is None else bias,
            y.reshape(-1), x.shape[1], size, out, window.stride, window.pad, mirrored, bias is not None, relu,
            scratch("planes", get_num_threads() * slot), slot,
        )  # fmt: skip
        return
    planes, threads, out = planes_of(1, x.shape[2:], window, mirrored), get_num_threads(), y.shape[2:]
    taps, sums_slot = window.kernel[0] * window.kernel[1], _BLOCK + planes.shape[1]
    sizes = (x.shape[1], *x.shape[2:], *out, taps)
    grain = max(1, 20_000 // (taps * out[0] * out[1] + 1))
    _slide(
        x.shape[0] * x.shape[1], grain, x.reshape(-1), weight.reshape(-1), NOTHING if bias is None else bias,
        y.reshape(-1), planes.offsets, sizes, window.stride, window.pad, planes.phases, planes.shape,
        bias is not None, relu, scratch("planes", threads * planes.size), planes.size,
        scratch("right", threads * sums_slot), sums_slot,
    )  # fmt: skip


@task
def _spread(worker, lo, hi, d, weight, bias, y, sizes, kernel, stride, pad, dilation, biased):
    """Planes lo..hi = (n, channel): every number of d times the window, added up where it is seen."""
    channels, height, width, out_height, out_width = sizes
    for q in range(lo, hi):
        c = q % channels
        to = y[q * height * width : (q + 1) * height * width]
        start = bias[c] if biased else np.float32(0)
        for i in range(height * width):
            to[i] = start
        for ky in range(kernel[0]):
            for kx in range(kernel[1]):
                factor = weight[(c * kernel[0] + ky) * kernel[1] + kx]
                at = kx * dilation[1] - pad[1]
                first = max(0, (stride[1] - 1 - at) // stride[1])
                n = min(out_width, (width - 1 - at) // stride[1] + 1) - first
                for oy in range(out_height):
                    row = oy * stride[0] + ky * dilation[0] - pad[0]
                    if n > 0 and 0 <= row < height:
                        source = d[(q * out_height + oy) * out_width + first :]
                        target = to[row * width + at + first * stride[1] :]
                        for i in range(n):
                            target[i * stride[1]] += factor * source[i]


def spread(d: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, y: np.ndarray, window: Window) -> None:
    """y (N, C, H, W) = the transpose of `slide` applied to d (N, C, OH, OW), plus bias."""
    sizes = (d.shape[1], *y.shape[2:], *d.shape[2:])
    grain = max(1, 20_000 // (window.kernel[0] * window.kernel[1] * d.shape[2] * d.shape[3] + 1))
    _spread(
        d.shape[0] * d.shape[1], grain, d.reshape(-1), weight.reshape(-1), NOTHING if bias is None else bias,
        y.reshape(-1), sizes, window.kernel, window.stride, window.pad, window.dilation, bias is not None,
    )  # fmt: skip


@task(fastmath=SUMS)
def _gradient(worker, lo, hi, x, d, out, n, offsets, sizes, stride, pad, phases, plane, add, planes, planes_slot, wide,
              wide_slot):  # fmt: skip
    """Channels lo..hi: out[c, tap] (+)= sum over the batch of d times what the tap saw."""
    channels, height, width, out_height, out_width, taps = sizes
    own, size = worker * planes_slot + LANES, out_height * plane[1]
    line = wide[worker * wide_slot : worker * wide_slot + size]
    for i in range(size):
        line[i] = 0  # and so it stays between the rows of d: what a plane holds there does not count
    for c in range(lo, hi):
        for m in range(n):
            q = m * channels + c
            pack_planes(
                planes, own, x, q * height * width, 1, height, width, stride[0], stride[1], pad[0], pad[1],
                phases[0], phases[1], plane[0], plane[1], 0, plane[0],
            )  # fmt: skip
            for r in range(out_height):
                to, row = line[r * plane[1] :], d[(q * out_height + r) * out_width :]
                for i in range(out_width):
                    to[i] = row[i]
            for t in range(taps):
                seen, s = planes[own + offsets[t] : own + offsets[t] + size], np.float32(0)
                for i in range(size):
                    s += seen[i] * line[i]
                out[c * taps + t] = out[c * taps + t] + s if add or m else s


def weight_gradient(x: np.ndarray, d: np.ndarray, out: np.ndarray, window: Window, add: bool) -> None:
    """out (C, 1, kh, kw) (+)= gradient of `slide` for d (N, C, OH, OW)."""
    planes, threads, taps = planes_of(1, x.shape[2:], window, False), get_num_threads(), out[0].size
    slot = d.shape[2] * planes.shape[1]
    sizes = (x.shape[1], *x.shape[2:], *d.shape[2:], taps)
    grain = max(1, 20_000 // (taps * slot * len(x) + 1))
    _gradient(
        x.shape[1], grain, x.reshape(-1), d.reshape(-1), out.reshape(-1), len(x), planes.offsets, sizes,
        window.stride, window.pad, planes.phases, planes.shape, add,
        scratch("planes", threads * planes.size), planes.size, scratch("right", threads * slot), slot,
    )  # fmt: skip

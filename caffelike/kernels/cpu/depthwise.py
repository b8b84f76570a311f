"""Convolution with one input and one output channel a group (group = channels): no products of matrices in it.

A padded plane (see pack_planes) is walked as one long line, gaps between its rows included: one multiply-add per tap
and number, without tails.
"""

import numpy as np

from caffelike.kernels.cpu.correlate import NOTHING, Window, planes_of
from caffelike.kernels.cpu.pack import pack_planes
from caffelike.kernels.jit import SUMS
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import LANES

_BLOCK = 2048  # numbers of a plane at a time: sums and plane stay in the first-level cache


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

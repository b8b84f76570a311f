"""Convolution of maps of any number of axes; see layers/convolution.py for the definition.

One or two axes run as implicit products; more axes, and the gradient of the bottom at a stride, by columns.
"""

from math import prod

import numpy as np

from caffelike.kernels.cpu import depthwise, lanes, winograd, winograd_weights
from caffelike.kernels.cpu.choice import best_form, best_form_of_weights
from caffelike.kernels.cpu.columns import from_columns, to_columns
from caffelike.kernels.cpu.correlate import (
    Window,
    correlate,
    correlate_weights,
    pack_weights,
    packed_size,
    spread,
)
from caffelike.kernels.cpu.gemm import gemm
from caffelike.kernels.jit import SUMS
from caffelike.kernels.launch import aligned, by_hand, lent, scratch, task
from caffelike.kernels.replay import replayable

Ints = tuple[int, ...]


def plane_window(kernel: Ints, stride: Ints, pad: Ints, dilation: Ints) -> Window | None:
    """The window over maps seen as 2-D (a missing axis has size 1); None for more than two axes."""
    if len(kernel) > 2:
        return None
    k, s, p, d = ((1,) * (2 - len(kernel)) + tuple(kernel), (1,) * (2 - len(kernel)) + tuple(stride),
                  (0,) * (2 - len(kernel)) + tuple(pad), (1,) * (2 - len(kernel)) + tuple(dilation))  # fmt: skip
    return Window(k, s, p, d)


def with_batch(axes: int, *arrays: np.ndarray | None) -> tuple:
    """Arrays (*batch, C, *S) of `axes` spatial axes as (N, C, *S): the option `axis` may leave any batch axes."""
    return tuple(
        a if a is None or a.ndim == axes + 2 else a.reshape(prod(a.shape[: -axes - 1]), *a.shape[-axes - 1 :])
        for a in arrays
    )


def as_planes(x: np.ndarray) -> np.ndarray:
    """(N, C, *S) as (N, C, H, W)."""
    return x if x.ndim == 4 else x.reshape(x.shape[:2] + (1,) * (4 - x.ndim) + x.shape[2:])


def algorithm(
    x: np.ndarray, weight: np.ndarray, y: np.ndarray, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints, group: int
) -> tuple[str, int]:
    """By which algorithm forward goes, and how many multiply-accumulates its products then have."""
    x, y = with_batch(len(kernel), x, y)
    window = plane_window(kernel, stride, pad, dilation)
    macs = y.size // len(weight) * weight.size
    if window is None:
        return "columns", macs
    x, y = as_planes(x), as_planes(y)
    m, r = _form(window, x.shape, y.shape, group), window.kernel[0]
    if m <= 0:
        names = {_DEPTHWISE: "depthwise", _LANES: "lanes", _DIRECT: "1x1" if window.kernel == (1, 1) else "sliding"}
        return names[m], macs
    tiles = -(-y.shape[2] // m) * -(-y.shape[3] // m)
    return f"Winograd F({m},{r})", len(x) * tiles * (m + r - 1) ** 2 * weight.size // r**2


@replayable
def forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
) -> None:
    """y (N, O, *out) = x (N, C, *size) correlated with weight (O, C/group, *kernel), plus bias (O,)."""
    _forward(x, weight, bias, y, kernel, stride, pad, dilation, group, False)


def pack(
    x: np.ndarray, weight: np.ndarray, y: np.ndarray, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints, group: int
) -> np.ndarray | None:
    """A copy of weight in the order in which forward reads it, for forward_packed; None where it reads it as it is.

    It fits these shapes of x and y, the present algorithm (choice.py) and this process only.
    """
    x, y = with_batch(len(kernel), x, y)
    window = plane_window(kernel, stride, pad, dilation)
    m = _DEPTHWISE if window is None else _form(window, as_planes(x).shape, as_planes(y).shape, group)
    if m == _DEPTHWISE:
        return None
    weight = as_planes(weight)
    if m == _LANES:
        return lanes.pack_weights(weight, aligned(lanes.packed_size(weight)))
    if m == _DIRECT:
        return pack_weights(weight, group, False, aligned(packed_size(weight, group)))
    return winograd.pack_weights(weight, group, False, m, aligned(winograd.packed_size(weight, group, False, m)))


@replayable
def forward_packed(
    x: np.ndarray,
    weight: np.ndarray,
    packed: np.ndarray | None,
    bias: np.ndarray | None,
    y: np.ndarray,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
    relu: bool,
    add: bool = False,
    halved: np.ndarray | None = None,
) -> None:
    """As `forward`, with what `pack` gave for the weight's present values; relu: then max(y, 0) (NaN stays NaN).

    add, halved: only where `merges` names them. add: y holds numbers that the result is added to, before relu. halved:
    (N, O, OH / 2, OW / 2), gets the maxima of squares of 2x2 in place of y.
    """
    _forward(x, weight, bias, y, kernel, stride, pad, dilation, group, relu, packed, add, halved)


def merges(
    x: np.ndarray, weight: np.ndarray, y: np.ndarray, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints, group: int
) -> tuple[str, ...]:
    """What forward_packed can do besides with these shapes: "add", "halved"."""
    window = plane_window(kernel, stride, pad, dilation)
    if window is None or x.ndim != 4:
        return ()
    m = _form(window, x.shape, y.shape, group)
    if m < 0:
        return ()
    return ("add", "halved") if m and y.shape[2] % 2 == y.shape[3] % 2 == 0 else ("add",)


def _forward(x, weight, bias, y, kernel, stride, pad, dilation, group, relu, packed=None, add=False, halved=None):
    x, y = with_batch(len(kernel), x, y)
    window = plane_window(kernel, stride, pad, dilation)
    if window is not None:
        _slide(as_planes(x), weight, bias, as_planes(y), window, group, False, relu, packed, add, halved)
        return
    by_hand()
    if bias is not None:
        y[...] = bias.reshape(-1, *(1,) * len(kernel))
    for a, b, m in matrices(x, y, weight, group):
        columns = _columns(a, kernel, b.shape[1:])
        to_columns(a, columns, b.shape[1:], kernel, stride, pad, dilation)
        gemm(m, columns, b.reshape(len(b), -1), False, False, 0 if bias is None else 1)
    if relu:
        np.maximum(y, 0, out=y)


def _slide(x, weight, bias, y, window, group, mirrored, relu=False, packed=None, add=False, halved=None):
    """correlate, or the same in another form where that is cheaper."""
    weight = as_planes(weight)
    m = _form(window, x.shape, y.shape, group)
    if m == _DEPTHWISE:
        depthwise.slide(x, weight, bias, y, window, mirrored, relu)
    elif m == _LANES and not mirrored:
        lanes.convolve(x, weight, bias, y, window, relu, packed)
    elif m <= 0:
        correlate(x, weight, bias, y, window, group, mirrored, relu, packed, add)
    else:
        winograd.convolve(x, weight, bias, y, m, window.pad, group, mirrored, relu, packed, add, halved)


_DIRECT, _LANES, _DEPTHWISE = 0, -1, -2


def _form(window: Window, maps: Ints, out: Ints, group: int) -> int:
    """How maps (N, C, H, W) are convolved to out (N, O, OH, OW): one of the above, or the m of Winograd's F(m, r)."""
    if _depthwise(maps, out, group):
        return _DEPTHWISE
    m = best_form(window, maps, out, group)
    return _LANES if not m and lanes.fits(window, maps, out, group) else m


def _depthwise(maps: Ints, out: Ints, group: int) -> bool:
    """Whether each group has one channel on either side, and there is anything to do."""
    return group == maps[1] == out[1] and 0 not in maps and 0 not in out


def matrices(x, y, weight, group):
    """For each image and group its part of x and of y, and the weight of the group as a matrix (rows of y, k)."""
    weight = weight.reshape(group, -1, weight[0].size)
    for n in range(len(x)):
        yield from zip(np.split(x[n], group), np.split(y[n], group), weight, strict=True)


def _columns(a: np.ndarray, kernel: Ints, out: Ints) -> np.ndarray:
    rows, pixels = len(a) * prod(kernel), prod(out)
    return scratch("columns", rows * pixels)[: rows * pixels].reshape(rows, pixels)


@replayable
def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
    beta: float,
) -> None:
    """Gradients; None where not wanted. dx is overwritten, dweight and dbias become theirs + beta * themselves."""
    dy, x, dx = with_batch(len(kernel), dy, x, dx)
    if dbias is not None:
        bias_gradient(dy, dbias, beta)
    window = plane_window(kernel, stride, pad, dilation)
    if window is not None and _form(window, as_planes(x).shape, as_planes(dy).shape, group) == _LANES:
        maps, d, to = (None if a is None else as_planes(a) for a in (x, dy, dx))
        into = None if dweight is None else as_planes(dweight)
        lanes.gradients(d, maps, as_planes(weight), to, into, window, beta != 0)
        return
    if dweight is not None:
        with lent(lambda: () if dx is None else (dx.reshape(-1),)):  # it is written only after that
            weight_gradient(x, dy, dweight, kernel, stride, pad, dilation, group, beta)
    if dx is not None:
        map_gradient(dy, weight, None, dx, kernel, stride, pad, dilation, group)


def weight_gradient(x, dy, dweight, kernel, stride, pad, dilation, group, beta):
    """dweight = gradient of `forward` + beta * dweight (beta 0 or 1)."""
    window = plane_window(kernel, stride, pad, dilation)
    if window is not None:
        maps, d, to = as_planes(x), as_planes(dy), as_planes(dweight)
        m = best_form_of_weights(window, maps.shape, d.shape, group)
        if _depthwise(maps.shape, d.shape, group):
            depthwise.weight_gradient(maps, d, to, window, beta != 0)
        elif not m:
            correlate_weights(maps, d, to, window, group, beta != 0)
        else:
            winograd_weights.weight_gradient(maps, d, to, m, window.pad, group, beta != 0)
        return
    by_hand()
    if beta == 0:
        dweight[...] = 0
    for a, b, m in matrices(x, dy, dweight, group):
        columns = _columns(a, kernel, b.shape[1:])
        to_columns(a, columns, b.shape[1:], kernel, stride, pad, dilation)
        gemm(b.reshape(len(b), -1), columns, m, False, True, 1)


def map_gradient(dy, weight, bias, dx, kernel, stride, pad, dilation, group):
    """dx = gradient of `forward` with respect to x (+ bias per channel: then it is deconvolution's forward)."""
    window = plane_window(kernel, stride, pad, dilation)
    if window is not None:
        if not _mirrored(window, dy, dx):
            if _depthwise(dy.shape, dx.shape, group):
                depthwise.spread(as_planes(dy), weight, bias, as_planes(dx), window)
            else:
                spread(as_planes(dy), weight, bias, as_planes(dx), window, group)
            return
        reach = tuple(d * (k - 1) - p for d, k, p in zip(window.dilation, window.kernel, window.pad, strict=True))
        back = Window(window.kernel, (1, 1), reach, window.dilation)
        _slide(as_planes(dy), weight, bias, as_planes(dx), back, group, True)
        return
    by_hand()
    for a, b, m in matrices(dx, dy, weight, group):
        columns = _columns(a, kernel, b.shape[1:])
        gemm(m, b.reshape(len(b), -1), columns, True, False, 0)
        from_columns(columns, a, b.shape[1:], kernel, stride, pad, dilation)
    if bias is not None:
        dx += bias.reshape(-1, *(1,) * len(kernel))


def _mirrored(window: Window, dy: np.ndarray, dx: np.ndarray) -> bool:
    """Whether the gradient of the map is best had by correlating dy with the mirrored weights.

    That takes as many products per pixel of dx as forward takes per pixel of y, at stride 1 only. Spreading takes
    forward's number (the better if dx is the larger map), and about a product's worth of additions on top.
    """
    if window.stride != (1, 1):
        return False
    outputs, pixels = prod(dy.shape[2:]), prod(dx.shape[2:])
    return outputs * (dy.shape[1] + 40) >= pixels * dy.shape[1]


@task(fastmath=SUMS)
def _sum_maps(worker, lo, hi, d, n, channels, pixels, out, add):
    for c in range(lo, hi):
        total = 0.0
        for m in range(n):
            line, s = d[(m * channels + c) * pixels : (m * channels + c + 1) * pixels], np.float32(0)
            for i in range(pixels):
                s += line[i]
            total += s
        out[c] = out[c] + total if add else total


def bias_gradient(dy: np.ndarray, dbias: np.ndarray, beta: float) -> None:
    """dbias (O,) = sum of dy (N, O, *S) over images and pixels, + beta * dbias."""
    n, channels = dy.shape[:2]
    pixels = prod(dy.shape[2:])
    grain = max(1, 65536 // max(1, n * pixels))
    _sum_maps(channels, grain, dy.reshape(-1), n, channels, pixels, dbias, beta != 0)

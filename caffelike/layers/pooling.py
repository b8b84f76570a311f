"""Pooling: one number for each window of an image."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import Sizes, check_fits, pooled_size, pooling_window, taps
from caffelike.registry import register

_FLT_MAX = float(np.finfo(np.float32).max)
_FLT_MIN = float(np.finfo(np.float32).tiny)


@register("Pooling", param="pooling_param")
class Pooling(Layer):
    """The largest value (MAX), the mean (AVE) or a random value (STOCHASTIC) of each window.

    bottoms: x (N, C, H, W). tops: y (N, C, out_h, out_w); for MAX and STOCHASTIC also mask, of the same
        shape: the index h * W + w of the value taken in its channel, as float, -1 for none.
        out = ceil((size + 2 pad - kernel) / stride) + 1 (floor where round_mode, CEIL, is FLOOR), one less where the
        last window would start in the right pad.
    pool: MAX. kernel_size, or kernel_h and kernel_w, or global_pooling. stride 1, pad 0 (or stride_h and stride_w,
        pad_h and pad_w).
    MAX: the first of equal values; NaN is never taken; where nothing exceeds -FLT_MAX y is -FLT_MAX.
    AVE: the divisor counts the pad but not what lies beyond it; a window that begins where the image ends
        (stride greater than kernel, no pad) gives 0 / 0 = NaN.
    STOCHASTIC (values must not be negative): while training x is taken with probability x / sum(x), while
        testing y = sum(x^2) / sum(x). No pad.
    Gradient: MAX, STOCHASTIC: to the value taken; AVE: in equal parts.
    Errors: ModelError for options, ShapeError for bottoms without exactly 4 axes or smaller than a window.
    Source: BVLC Caffe's Pooling layer (STOCHASTIC: its GPU code, the only one it has; Zeiler and Fergus, ICLR 2013).
    """

    tops = ("y", "mask?")
    backward_reads = ("argmax",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the method; the window depends on the shape where global_pooling is on."""
        self._p = p
        method = type(p).PoolMethod.Name(p.pool)
        if method not in ("MAX", "AVE", "STOCHASTIC"):
            raise self.fail(f"pool is {method}; only MAX, AVE and STOCHASTIC can be computed.", ModelError)
        if method == "AVE" and len(self.message.top) > 1:
            raise self.fail("pool: AVE has no mask; remove the second top.", ModelError)
        self.random = method == "STOCHASTIC" and self.phase == 0  # type: ignore[misc]
        self.options = {"method": method, "train": self.phase == 0}
        if method == "STOCHASTIC" and not self.random:
            self.backward_reads = ("x",)  # type: ignore[misc]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, out_h, out_w), once more for the mask."""
        (shape,) = shapes
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        kernel, stride, pad, _ = pooling_window(self, self._p, shape[2:])
        method = self.options["method"]
        if method == "STOCHASTIC" and any(pad):
            raise self.fail("pool: STOCHASTIC cannot have pad.", ModelError)
        ceil = self._p.round_mode == type(self._p).CEIL
        out = pooled_size(shape[2:], kernel, stride, pad, ceil)
        check_fits(self, shape[2:], out, f"A window of {kernel[0]}x{kernel[1]}")
        self.options |= {"kernel": kernel, "stride": stride, "pad": pad}
        top = (*shape[:2], *out)
        if method == "MAX" or self.random:
            self.keep("argmax", top, np.int32)
        else:
            self.options["argmax"] = None
        return [top] * len(self.message.top)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None,
    argmax: np.ndarray | None,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    key: np.ndarray | None,
    train: bool,
) -> None:
    """Go through the kernel's positions, all windows at once."""
    if method == "AVE":
        y[...] = 0
        with np.errstate(divide="ignore", invalid="ignore"):  # infinities; windows beyond the image have size 0
            for values, _ in _taps(x, y.shape[2:], kernel, stride, pad):
                y += values
            y /= _divisors(x.shape[2:], y.shape[2:], kernel, stride, pad)
        return
    if method == "STOCHASTIC" and not train:
        total = np.full(y.shape, _FLT_MIN, x.dtype)
        y[...] = 0
        for values, _ in _taps(x, y.shape[2:], kernel, stride, pad):
            total += values
            y += values * values
        y /= total
        if mask is not None:
            mask[...] = -1
        return
    chosen = np.full(y.shape, -1, np.int32)
    if method == "MAX":
        y[...] = -_FLT_MAX
        for values, index in _taps(x, y.shape[2:], kernel, stride, pad, -np.inf):
            better = values > y
            np.copyto(y, values, where=better)
            np.copyto(chosen, index, where=better)
    else:
        assert key is not None
        threshold = rng.uniform(key, y.size).reshape(y.shape) * _window_sum(x, y, kernel, stride, pad)
        total = np.zeros(y.shape, x.dtype)
        y[...] = 0
        for values, index in _taps(x, y.shape[2:], kernel, stride, pad, 0):
            total += values
            # The first pixel whose running sum reaches the threshold; those beyond the image have no index.
            take = (chosen < 0) & (total >= threshold) & (index >= 0)
            np.copyto(y, values, where=take)
            np.copyto(chosen, index, where=take)
    if argmax is not None:
        argmax[...] = chosen
    if mask is not None:
        mask[...] = chosen


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    argmax: np.ndarray | None,
    dx: np.ndarray,
    method: str,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    train: bool,
) -> None:
    """Hand each gradient to the pixel taken, or in parts to the whole window."""
    if argmax is not None:
        dx[...] = 0
        plane = np.arange(dx.shape[0] * dx.shape[1]).reshape(*dx.shape[:2], 1, 1) * (dx.shape[2] * dx.shape[3])
        taken = argmax >= 0
        np.add.at(dx.reshape(-1), (plane + argmax)[taken], dy[taken])
        return
    if method == "AVE":
        divisors = _divisors(dx.shape[2:], dy.shape[2:], kernel, stride, pad)
        share = np.divide(dy, divisors, out=np.zeros_like(dy), where=divisors > 0)
        _spread(dx, dy.shape[2:], kernel, stride, pad, lambda _: share)
        return
    total = _window_sum(x, dy, kernel, stride, pad) + x.dtype.type(_FLT_MIN)
    squares = _window_sum(x * x, dy, kernel, stride, pad)
    padded = _padded(x, dy.shape[2:], kernel, stride, pad, 0)
    _spread(dx, dy.shape[2:], kernel, stride, pad, lambda place: dy * (2 * padded[place] * total - squares) / total**2)


def _padded(x: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, fill: float) -> np.ndarray:
    """x with `pad` before each image and as much after it as the last window reaches."""
    ends = [(o - 1) * s + k - q - n for n, o, k, s, q in zip(x.shape[2:], out, kernel, stride, pad, strict=True)]
    widths = [(0, 0), (0, 0), *((q, max(end, 0)) for q, end in zip(pad, ends, strict=True))]
    return np.pad(x, widths, constant_values=fill)


def _taps(x: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, fill: float = 0) -> Any:
    """For each position in the kernel: the pixels there in all windows, and their index in the image or -1."""
    padded = _padded(x, out, kernel, stride, pad, fill)
    index = np.arange(x.shape[2] * x.shape[3], dtype=np.int32).reshape(1, 1, *x.shape[2:])
    index = _padded(index, out, kernel, stride, pad, -1)
    for _, place in taps(kernel, stride, (1, 1), out):
        yield padded[(..., *place)], index[(..., *place)]


def _window_sum(x: np.ndarray, y: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes) -> np.ndarray:
    total = np.zeros(y.shape, x.dtype)
    for values, _ in _taps(x, y.shape[2:], kernel, stride, pad):
        total += values
    return total


def _spread(dx: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, part: Any) -> None:
    """Add part(place) to the pixels `place` of all windows, for each position in the kernel."""
    padded = _padded(np.zeros_like(dx), out, kernel, stride, pad, 0)
    for _, place in taps(kernel, stride, (1, 1), out):
        padded[(..., *place)] += part((..., *place))
    dx[...] = padded[:, :, pad[0] : pad[0] + dx.shape[2], pad[1] : pad[1] + dx.shape[3]]


def _divisors(size: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes) -> np.ndarray:
    """AVE's divisors (out_h, out_w): window sizes cut off at the end of the padded image, but not at the image."""
    lengths = []
    for n, o, k, s, q in zip(size, out, kernel, stride, pad, strict=True):
        start = np.arange(o) * s - q
        lengths.append(np.minimum(start + k, n + q) - start)
    return np.multiply.outer(*lengths).astype(np.float32)

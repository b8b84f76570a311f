"""Pooling: one number for each window of an image."""

from typing import Any, ClassVar

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape
from caffelike.layers._spatial import (
    Sizes,
    Window,
    check_fits,
    check_pooling_pad,
    place_type,
    pooled_size,
    pooling_window,
    taps,
    window_reach,
)
from caffelike.registry import register

_FLT_MAX = float(np.finfo(np.float32).max)
_FLT_MIN = float(np.finfo(np.float32).tiny)


@register("Pooling", param="pooling_param")
class Pooling(Layer):
    """The largest value (MAX), the mean (AVE) or a random value (STOCHASTIC) of each window.

    bottoms: x (N, C, H, W). tops: y (N, C, out_h, out_w); for MAX and STOCHASTIC also mask, of the same
        shape: the index h * W + w of the value taken in its channel, as float, -1 for none.
        out = ceil((size + 2 pad - kernel) / stride) + 1 (floor where round_mode, CEIL, is FLOOR, or ceil_mode false),
        one less where the last window would start in the right pad.
    pool: MAX. kernel_size, or kernel_h and kernel_w, or global_pooling. stride 1, pad 0 (or stride_h and stride_w,
        pad_h and pad_w).
    kernel_size_3d (three numbers; with stride_3d, pad_3d): pools volumes (N, C, D, H, W) in the same way; a volume and
        kernel_size, stride, pad: these for all three axes.
    avg_include_pad true: false divides AVE by the number of pixels, without the pad.
    MAX: the first of equal values; NaN is never taken; where nothing exceeds -FLT_MAX y is -FLT_MAX.
    AVE: the divisor counts the pad but not what lies beyond it; a window that begins where the image ends
        (stride greater than kernel, no pad) gives 0 / 0 = NaN.
    STOCHASTIC (values must not be negative): while training x is taken with probability x / sum(x), while
        testing y = sum(x^2) / sum(x). No pad.
    Gradient: MAX, STOCHASTIC: to the value taken; AVE: in equal parts.
    Errors: ModelError for options, ShapeError for bottoms without exactly 4 axes or smaller than a window.
    Source: BVLC Caffe's Pooling layer (STOCHASTIC: its GPU code, the only one it has; Zeiler and Fergus, ICLR 2013);
        avg_include_pad and the 3-D fields: Intel's fork; ceil_mode: Synopsys' fork, and SENet's published models.
    """

    tops = ("y", "mask?")
    backward_reads = ("argmax",)
    honours: ClassVar[tuple[str, ...]] = ("ceil_mode", "avg_include_pad", "kernel_size_3d", "stride_3d", "pad_3d")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the method; the window depends on the shape where global_pooling is on."""
        self._p = p
        method = type(p).PoolMethod.Name(p.pool)
        self._axes = self.axes(p, shapes[0])
        known = ("MAX", "AVE", "STOCHASTIC") if self._axes == 2 else ("MAX", "AVE")
        if method not in known:
            raise self.fail(f"pool is {method}; only {', '.join(known)} can be computed.", ModelError)
        if method == "AVE" and len(self.message.top) > 1:
            raise self.fail("pool: AVE has no mask; remove the second top.", ModelError)
        self.random = method == "STOCHASTIC" and self.phase == 0  # type: ignore[misc]
        self.options = {"method": method, "train": self.phase == 0, "include_pad": True}
        if method == "STOCHASTIC" and not self.random:
            self.backward_reads = ("x",)  # type: ignore[misc]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, *out), once more for the mask."""
        (shape,) = shapes
        if len(shape) != 2 + self._axes:
            names = "N, C, H, W" if self._axes == 2 else "N, C, D, H, W"
            raise self.fail(f"needs a bottom of {2 + self._axes} axes ({names}), but it is {shape}.")
        (kernel, stride, pad, _), ceil = self.window(self._p, shape[2:])
        method = self.options["method"]
        if method == "STOCHASTIC" and any(pad):
            raise self.fail("pool: STOCHASTIC cannot have pad.", ModelError)
        out = pooled_size(shape[2:], kernel, stride, pad, ceil)
        check_fits(self, shape[2:], out, f"A window of {'x'.join(map(str, kernel))}")
        self.options |= {"kernel": kernel, "stride": stride, "pad": pad}
        top = (*shape[:2], *out)
        if method == "MAX" or self.random:
            self.keep("argmax", top, place_type(kernel))
        else:
            self.options["argmax"] = None
        return [top] * len(self.message.top)

    def axes(self, p: Any, shape: Shape) -> int:
        """How many axes a window has."""
        return 3 if p.kernel_size_3d or len(shape) == 5 else 2

    def window(self, p: Any, size: Sizes) -> tuple[Window, bool]:
        """The window over images of `size`, and whether the top's size is rounded up."""
        self.options["include_pad"] = bool(p.avg_include_pad)
        ceil = p.round_mode == type(p).CEIL and p.ceil_mode
        if len(size) == 2:
            return pooling_window(self, p, size), ceil
        values = []
        for field, default in (("kernel_size_3d", 0), ("stride_3d", 1), ("pad_3d", 0)):
            one = field.removesuffix("_3d")
            every = int(getattr(p, one)) if p.HasField(one) and not p.kernel_size_3d else default
            given = tuple(int(n) for n in getattr(p, field)) or (every,) * 3
            if len(given) != 3 or (default and 0 in given):
                raise self.fail(f"{field} must be three numbers of at least {default}, not {given}.", ModelError)
            values.append(given)
        kernel, stride, pad = values
        if 0 in kernel:
            raise self.fail(f"a volume needs kernel_size, or kernel_size_3d, of at least 1, not {kernel}.", ModelError)
        check_pooling_pad(self, kernel, pad)
        return Window(kernel, stride, pad, (1, 1, 1)), ceil

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """The window."""
        return window_reach(self.options)


@register("Pooling3D", param="pooling3d_param")
class Pooling3D(Pooling):
    """Pooling of volumes: the largest value (MAX) or the mean (AVE) of each box.

    bottoms: x (N, C, D, H, W). tops: y (N, C, *out); for MAX also mask: the index of the value taken in its channel, as
        float. out = ceil((size + 2 pad - kernel) / stride) + 1, less one as for Pooling.
    pool: MAX. kernel_size: of height and width; kernel_depth: of depth. stride 1, pad 0: of height and width;
        temporal_stride 1: of depth, which has no pad. C3D's first version writes all this into pooling_param.
    Gradient, errors: as Pooling's.
    Source: Tran et al., ICCV 2015; C3D 1.0 and 1.1.
    """

    messages = ("pooling_param",)
    honours = ("kernel_depth", "temporal_stride")

    def axes(self, p: Any, shape: Shape) -> int:
        """Depth, height and width."""
        if not self.message.HasField("pooling3d_param"):
            self._p = self.message.pooling_param
        return 3

    def window(self, p: Any, size: Sizes) -> tuple[Window, bool]:
        """The box over volumes of `size`; sizes are rounded up."""
        if not (p.kernel_size and p.kernel_depth and p.stride and p.temporal_stride):
            raise self.fail("needs kernel_size and kernel_depth, and strides of at least 1.", ModelError)
        kernel = (int(p.kernel_depth), int(p.kernel_size), int(p.kernel_size))
        pad = (0, int(p.pad), int(p.pad))
        check_pooling_pad(self, kernel, pad)
        return Window(kernel, (int(p.temporal_stride), int(p.stride), int(p.stride)), pad, (1, 1, 1)), True


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
    include_pad: bool,
) -> None:
    """Go through the kernel's positions, all windows at once.

    argmax: the place of the value taken in its window, row by row; as many as a window has: none.
    """
    if method == "AVE":
        y[...] = 0
        with np.errstate(divide="ignore", invalid="ignore"):  # infinities; windows beyond the image have size 0
            for values, _ in _taps(x, y.shape[2:], kernel, stride, pad):
                y += values
            y /= _divisors(x.shape[2:], y.shape[2:], kernel, stride, pad, include_pad)
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
    none = int(np.prod(kernel))
    chosen = np.full(y.shape, none, place_type(kernel))
    if method == "MAX":
        y[...] = -_FLT_MAX
        for place, (values, _) in enumerate(_taps(x, y.shape[2:], kernel, stride, pad, -np.inf)):
            better = values > y
            np.copyto(y, values, where=better)
            chosen[better] = place
    else:
        assert key is not None
        threshold = rng.uniform(key, y.size).reshape(y.shape) * _window_sum(x, y, kernel, stride, pad)
        total = np.zeros(y.shape, x.dtype)
        y[...] = 0
        for place, (values, inside) in enumerate(_taps(x, y.shape[2:], kernel, stride, pad)):
            total += values
            # The first pixel of the image whose running sum reaches the threshold.
            take = (chosen == none) & (total >= threshold) & inside
            np.copyto(y, values, where=take)
            chosen[take] = place
    if argmax is not None:
        argmax[...] = chosen
    if mask is not None:
        mask[...] = _indices(chosen, x.shape[2:], kernel, stride, pad)


def halves(x: np.ndarray, y: np.ndarray, method: str, kernel: Sizes, stride: Sizes) -> bool:
    """Whether y has the maxima of squares of 2x2, with nothing left over."""
    even = x.shape[2:] == tuple(2 * n for n in y.shape[2:])
    return method == "MAX" and kernel == stride == (2, 2) and even


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
    include_pad: bool,
) -> None:
    """Hand each gradient to the pixel taken, or in parts to the whole window."""
    if argmax is not None:
        _spread(dx, dy.shape[2:], kernel, stride, pad, lambda place, _: np.where(argmax == place, dy, 0))
        return
    if method == "AVE":
        divisors = _divisors(dx.shape[2:], dy.shape[2:], kernel, stride, pad, include_pad)
        share = np.divide(dy, divisors, out=np.zeros_like(dy), where=divisors > 0)
        _spread(dx, dy.shape[2:], kernel, stride, pad, lambda *_: share)
        return
    total = _window_sum(x, dy, kernel, stride, pad) + x.dtype.type(_FLT_MIN)
    squares = _window_sum(x * x, dy, kernel, stride, pad)
    padded = _padded(x, dy.shape[2:], kernel, stride, pad, 0)
    slope = lambda at: (2 * padded[at] * total - squares) / total**2  # noqa: E731
    _spread(dx, dy.shape[2:], kernel, stride, pad, lambda _, at: dy * slope(at))


def _padded(x: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, fill: float) -> np.ndarray:
    """x with `pad` before each image and as much after it as the last window reaches."""
    ends = [(o - 1) * s + k - q - n for n, o, k, s, q in zip(x.shape[2:], out, kernel, stride, pad, strict=True)]
    widths = [(0, 0), (0, 0), *((q, max(end, 0)) for q, end in zip(pad, ends, strict=True))]
    return np.pad(x, widths, constant_values=fill)


def _taps(x: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, fill: float = 0) -> Any:
    """For each position in the kernel: the pixels there in all windows, and whether they lie in the image."""
    padded = _padded(x, out, kernel, stride, pad, fill)
    inside = _padded(np.ones((1, 1, *x.shape[2:]), bool), out, kernel, stride, pad, False)
    for _, at in taps(kernel, stride, (1,) * len(kernel), out):
        yield padded[(..., *at)], inside[(..., *at)]


def _indices(places: np.ndarray, size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes) -> np.ndarray:
    """The pixels' indices in images of `size` for their places in the windows; -1 for none."""
    none = int(np.prod(kernel))
    index: Any = 0
    within = np.unravel_index(np.minimum(places, none - 1), kernel)
    for axis, (n, o, s, q) in enumerate(zip(size, places.shape[2:], stride, pad, strict=True)):
        start = (np.arange(o) * s - q).reshape(-1, *(1,) * (len(kernel) - 1 - axis))
        index = index * n + start + within[axis]
    return np.where(places == none, -1, index)


def _window_sum(x: np.ndarray, y: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes) -> np.ndarray:
    total = np.zeros(y.shape, x.dtype)
    for values, _ in _taps(x, y.shape[2:], kernel, stride, pad):
        total += values
    return total


def _spread(dx: np.ndarray, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, part: Any) -> None:
    """Add part(k, at) to the pixels `at` of all windows, for each position k in the kernel."""
    padded = _padded(np.zeros_like(dx), out, kernel, stride, pad, 0)
    for place, (_, at) in enumerate(taps(kernel, stride, (1,) * len(kernel), out)):
        padded[(..., *at)] += part(place, (..., *at))
    inside: list[Any] = [slice(q, q + n) for q, n in zip(pad, dx.shape[2:], strict=True)]
    dx[...] = padded[(slice(None), slice(None), *inside)]


def _divisors(size: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, include_pad: bool) -> np.ndarray:
    """AVE's divisors (*out): window sizes cut off at the end of the padded image, or at the image's own ends."""
    total = np.ones((), np.float32)
    for n, o, k, s, q in zip(size, out, kernel, stride, pad, strict=True):
        start = np.arange(o) * s - q
        end = np.minimum(start + k, n + q if include_pad else n)
        length = end - (start if include_pad else np.maximum(start, 0))
        total = np.multiply.outer(total, length.astype(np.float32))
    return total

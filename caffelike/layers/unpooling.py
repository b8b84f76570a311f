"""Unpooling: a larger image of which each window holds one value, the opposite of Pooling."""

from typing import Any

import numpy as np

from caffelike import device
from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._spatial import Sizes
from caffelike.layers._unpool import check_mask, put_back, take_out
from caffelike.registry import register

_PARSENET = ("FIXED", "DIV", "REP")


@register("Unpooling", param="unpooling_param", names=("UnPooling",))
class Unpooling(Layer):
    """Each value goes to one place of its window (MAX, FIXED) or to the whole of it (AVE, TILE, DIV, REP).

    bottoms: x (N, C, H, W); second: DeconvNet's mask of x's shape, Pooling's second top; ParseNet's image whose size
        sets the window. tops: y (N, C, out_h, out_w). Window i begins at i stride - pad.
    DeconvNet's dialect, unless a field begins with out_ or unpool is FIXED, DIV or REP: kernel_size or kernel_h and
        kernel_w; stride (1), stride_h, stride_w; pad, pad_h, pad_w: 0; unpool_size or unpool_h and unpool_w: out_h and
        out_w. unpool MAX (the default): to the place h * out_w + w that the mask names (-1: nowhere), without a mask to
        the first of its window; of several values the last. AVE: its share of the window, TILE: the value, both to
        every pixel; where windows overlap they add up.
    ParseNet's: out_kernel_size, out_stride (1), out_pad (0), or out_kernel_h, out_kernel_w, out_stride_h, out_stride_w,
        out_pad_h, out_pad_w; out = (size - 1) stride - 2 pad + kernel. With a second bottom of s pixels: kernel =
        ceil(s / size), stride the same but 1 where size is 1, pad = floor(((size - 1) stride + kernel - s) / 2).
        unpool FIXED (the default): to the window's middle. REP: the value, DIV: its share, to every pixel, divided by
        the number of windows there.
    Gradient: the derivative; none to the second bottom. With a mask every value takes what stands at its place.
    Errors: ModelError for options, ShapeError for shapes, DataError for a mask beyond y.
    Source: Noh et al., ICCV 2015 (DeconvNet's fork, where a shared place of TILE divides the gradient by the window's
        size); Liu et al., "ParseNet", 2015.
    """

    bottoms = ("x", "second?")
    no_gradient = ("second",)
    backward_reads = ("second",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Tell the dialects apart by their fields, and read the window."""
        names = [field.name for field, _ in p.ListFields()]
        method = type(p).UnPoolMethod.Name(p.unpool)
        self._parsenet = any(name.startswith("out_") for name in names) or (
            p.HasField("unpool") and method in _PARSENET
        )
        known = _PARSENET if self._parsenet else ("MAX", "AVE", "TILE")
        if not p.HasField("unpool"):
            method = known[0]
        if method not in known:
            raise self.fail(
                f"unpool is {method}, which does not go with out_kernel_size and the like; use kernel_size, stride and"
                " unpool_size.",
                ModelError,
            )
        self.options = {"method": method}
        out = "out_" if self._parsenet else ""
        if len(shapes) < 2 or not self._parsenet:
            self._kernel = self._pair(p, f"{out}kernel", f"{out}kernel_size")
        self._stride = self._pair(p, f"{out}stride", f"{out}stride")
        self._pad = self._pair(p, f"{out}pad", f"{out}pad")
        if self._parsenet:
            return
        if any(self._pad):
            raise self.fail("pad must be 0; only ParseNet's out_pad may be more.", ModelError)
        self._size = self._pair(p, "unpool", "unpool_size")

    def _pair(self, p: Any, name: str, both: str) -> Sizes:
        """The numbers of a field, or of its _h and _w; at least 1 but for pads."""
        sides = (f"{name}_h", f"{name}_w")
        given = [p.HasField(side) for side in sides]
        if any(given) and (not all(given) or p.HasField(both)):
            raise self.fail(f"needs either {both}, or both {sides[0]} and {sides[1]}.", ModelError)
        pair = tuple(int(getattr(p, side)) for side in sides) if all(given) else (int(getattr(p, both)),) * 2
        if "pad" not in name and min(pair) < 1:
            raise self.fail(f"needs {both}, or {sides[0]} and {sides[1]}, of 1 or more.", ModelError)
        return pair

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, out_h, out_w)."""
        shape = shapes[0]
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        kernel: Sizes = ()
        size: Sizes
        stride, pad = self._stride, self._pad
        if not self._parsenet:
            kernel, size = self._kernel, self._size
            if len(shapes) > 1 and shapes[1] != shape:
                raise self.fail(f"the mask must be of the bottom's shape {shape}, but it is {shapes[1]}.")
        elif len(shapes) > 1:
            wanted = shapes[1][2:]
            if len(wanted) != 2 or 0 in shape[2:] or 0 in wanted:
                raise self.fail(f"needs two images, but they are {shape} and {shapes[1]}.")
            kernel = tuple(-(-s // n) for s, n in zip(wanted, shape[2:], strict=True))
            stride = tuple(1 if k == s else k for k, s in zip(kernel, wanted, strict=True))
            pad = tuple(
                ((n - 1) * t + k - s) // 2 for n, t, k, s in zip(shape[2:], stride, kernel, wanted, strict=True)
            )
        else:
            kernel = self._kernel
        if any(q >= k for q, k in zip(pad, kernel, strict=True)):
            raise self.fail(f"pad {pad} must be smaller than the kernel {kernel}.", ModelError)
        if self._parsenet:
            size = tuple((n - 1) * t - 2 * q + k for n, t, q, k in zip(shape[2:], stride, pad, kernel, strict=True))
            if min(size) < 1:
                raise self.fail(f"would make an image of {size[0]}x{size[1]} pixels.")
        self.options |= {"kernel": kernel, "stride": stride, "pad": pad}
        return [(*shape[:2], *size)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """A mask may name any place."""
        return Sees.ALL


def forward(
    x: np.ndarray, second: np.ndarray | None, y: np.ndarray, method: str, kernel: Sizes, stride: Sizes, pad: Sizes
) -> None:
    """Put each value in its place, or spread it."""
    if method in ("MAX", "FIXED"):
        fast = device.kernel("unpool", "put_back") if y.dtype == np.float32 else None
        (fast or put_back)(x, _mask(x, second, y, method, kernel, stride, pad), y)
        return
    rows, columns, before, after = _spread(x, y, method, kernel, stride, pad)
    y[...] = rows @ (x * before) @ columns.T * after


def backward(
    dy: np.ndarray, second: np.ndarray | None, dx: np.ndarray, method: str, kernel: Sizes, stride: Sizes, pad: Sizes
) -> None:
    """Take each value's gradient from where it went."""
    if method in ("MAX", "FIXED"):
        fast = device.kernel("unpool", "take_out") if dy.dtype == np.float32 else None
        (fast or take_out)(dy, _mask(dx, second, dy, method, kernel, stride, pad), dx)
        return
    rows, columns, before, after = _spread(dx, dy, method, kernel, stride, pad)
    dx[...] = rows.T @ (dy * after) @ columns * before


def _mask(
    x: np.ndarray, second: np.ndarray | None, y: np.ndarray, method: str, kernel: Sizes, stride: Sizes, pad: Sizes
) -> np.ndarray:
    """The place of every value in its plane of y, -1 where a later one takes it."""
    if method == "MAX" and second is not None:
        check_mask(second, y.shape)
        return second
    along = []
    for n, out, k, s, q in zip(x.shape[2:], y.shape[2:], kernel, stride, pad, strict=True):
        start = np.arange(n) * s - q
        along.append(np.clip(start if method == "MAX" else (2 * start + k - 1) // 2, 0, out - 1))
    places = along[0][:, None] * y.shape[3] + along[1]
    last = np.full(y.shape[2] * y.shape[3], -1)
    last[places.ravel()] = np.arange(places.size)
    stays = last[places] == np.arange(places.size).reshape(places.shape)
    return np.ascontiguousarray(np.broadcast_to(np.where(stays, places, -1).astype(x.dtype), x.shape))


def _spread(x: np.ndarray, y: np.ndarray, method: str, kernel: Sizes, stride: Sizes, pad: Sizes) -> tuple:
    """y = rows (x before) columns^T after: 0 and 1 for pixels in windows, and factors of values and of pixels."""
    cover, lengths = [], []
    for n, out, k, s, q in zip(x.shape[2:], y.shape[2:], kernel, stride, pad, strict=True):
        start = np.arange(n) * s - q
        end = np.minimum(start + k, out + q)
        pixel = np.arange(out)[:, None]
        cover.append(((pixel >= start) & (pixel < end)).astype(x.dtype))
        lengths.append(np.maximum(end - start, 1))  # a window beyond y has no pixel
    before = 1 / np.outer(*lengths) if method in ("AVE", "DIV") else np.ones(x.shape[2:])
    windows = np.outer(cover[0].sum(axis=1), cover[1].sum(axis=1))
    after = 1 / np.maximum(windows, 1) if method in ("DIV", "REP") else np.ones(y.shape[2:])
    return cover[0], cover[1], before.astype(x.dtype), after.astype(x.dtype)

"""SPP: spatial pyramid pooling, a vector of fixed length for images of any size."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers import pooling
from caffelike.layers._spatial import Sizes, check_fits, check_pooling_pad, place_type, pooled_size
from caffelike.registry import register

Level = tuple[Sizes, Sizes, Sizes]  # a pyramid level's kernel (= stride), pad and output size


@register("SPP", param="spp_param")
class SPP(Layer):
    """Pool the image on grids of 1x1, 2x2, 4x4 ... bins and put the flattened results one after the other.

    bottoms: x (N, C, H, W). tops: y (N, C * (1 + 4 + 16 + ...)); (N, C, 1, 1) with a single level.
    pyramid_height: the number of grids, required. pool MAX, AVE or STOCHASTIC as Pooling.
    With b bins along an axis the kernel and the stride are ceil(size / b), the pad (b * kernel - size + 1) / 2.
    Gradient: to x, the sum over the levels. Errors: ModelError where an image is too small for its level.
    Source: BVLC Caffe's SPP layer; He et al., ECCV 2014.
    """

    backward_reads = ("x", "argmax")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read height and method."""
        self._height = int(p.pyramid_height)
        if self._height < 1:
            raise self.fail("pyramid_height must be at least 1.", ModelError)
        method = type(p).PoolMethod.Name(p.pool)
        self.random = method == "STOCHASTIC" and self.phase == 0  # type: ignore[misc]
        self.options = {"method": method, "train": self.phase == 0}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, all bins), or (N, C, 1, 1)."""
        (shape,) = shapes
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        levels = [self._level(shape[2:], 2**i) for i in range(self._height)]
        self.options["levels"] = tuple(levels)
        bins = sum(h * w for _, _, (h, w) in levels)
        if self.options["method"] == "MAX" or self.random:
            self.keep("argmax", (shape[0], shape[1] * bins), place_type(levels[0][0]))  # the largest windows
        else:
            self.options["argmax"] = None
        return [(*shape[:2], *levels[0][2]) if self._height == 1 else (shape[0], shape[1] * bins)]

    def _level(self, size: Sizes, bins: int) -> Level:
        kernel = tuple(-(-n // bins) for n in size)
        pad = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
        check_pooling_pad(self, kernel, pad)
        if self.options["method"] == "STOCHASTIC" and any(pad):
            raise self.fail(f"pool: STOCHASTIC cannot have pad, but {bins} bins on {size} need pad {pad}.", ModelError)
        out = pooled_size(size, kernel, kernel, pad)
        check_fits(self, size, out, f"A grid of {bins}x{bins}")
        return kernel, pad, out


def forward(
    x: np.ndarray,
    y: np.ndarray,
    argmax: np.ndarray | None,
    method: str,
    levels: tuple[Level, ...],
    key: np.ndarray | None,
    train: bool,
) -> None:
    """Pool level by level."""
    rows, start = y.reshape(y.shape[0], int(np.prod(y.shape[1:]))), 0
    for i, (kernel, pad, out) in enumerate(levels):
        top = np.empty((*x.shape[:2], *out), y.dtype)
        chosen = None if argmax is None else np.empty(top.shape, argmax.dtype)
        level_key = None if key is None else key ^ np.array([0, i << 32, 0], np.uint64)
        pooling.forward(x, top, None, chosen, method, kernel, kernel, pad, level_key, train, True)
        end = start + int(np.prod(top.shape[1:]))
        rows[:, start:end] = top.reshape(rows.shape[0], end - start)
        if argmax is not None and chosen is not None:
            argmax[:, start:end] = chosen.reshape(rows.shape[0], end - start)
        start = end


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    argmax: np.ndarray | None,
    dx: np.ndarray,
    method: str,
    levels: tuple[Level, ...],
    train: bool,
) -> None:
    """Add up the levels' gradients."""
    rows, start = dy.reshape(dy.shape[0], int(np.prod(dy.shape[1:]))), 0
    dx[...] = 0
    part = np.empty_like(dx)
    for kernel, pad, out in levels:
        shape = (*x.shape[:2], *out)
        end = start + int(np.prod(shape[1:]))
        chosen = None if argmax is None else argmax[:, start:end].reshape(shape)
        pooling.backward(rows[:, start:end].reshape(shape), x, chosen, part, method, kernel, kernel, pad, train, True)
        dx += part
        start = end

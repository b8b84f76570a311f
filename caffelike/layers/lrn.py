"""LRN, LRNMap: local response normalization."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.registry import register


@register("LRN", param="lrn_param", names=["IntelLRN"])
class LRN(Layer):
    """y = x * scale^-beta, where scale sums the squares near each value.

    ACROSS_CHANNELS: scale = k + alpha / size * (sum of x^2 over `size` channels around this one).
    WITHIN_CHANNEL: scale = 1 + alpha / size^2 * (sum of x^2 over size x size pixels around this one); k is not used.
    bottoms: x (N, C, H, W). tops: y, likewise.
    local_size 5 (odd), alpha 1, beta 0.75, k 1, norm_region ACROSS_CHANNELS.
    Gradient: to x. Errors: ModelError for an even size, ShapeError unless there are 4 axes.
    Source: BVLC Caffe's LRN layer; Krizhevsky et al., NIPS 2012.
    """

    backward_reads = ("x",)
    backward_inplace = True

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        if p.local_size % 2 == 0:
            raise self.fail(f"local_size is {p.local_size}; it must be odd.", ModelError)
        self.options = {
            "region": type(p).NormRegion.Name(p.norm_region),
            "size": int(p.local_size),
            "alpha": float(p.alpha),
            "beta": float(p.beta),
            "k": float(p.k),
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """As the bottom."""
        (shape,) = shapes
        if len(shape) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shape}.")
        return [shape]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """Its neighbours, within channels."""
        size = self.options["size"]
        around = Reach((size,) * 2, (1, 1), (-(size // 2),) * 2)
        return around if self.options["region"] == "WITHIN_CHANNEL" else Sees.PIXEL


@register("LRNMap", param="lrn_map_param")
class LRNMap(LRN):
    """y = x * scale^-beta, scale = 1 + alpha / size^2 * (sum of x^2 over size x size pixels around this one).

    bottoms: x (N, C, H, W). tops: y, likewise.
    local_size 5 (odd), alpha 1, beta 0.75; the others as LRN, but norm_region, k, fuse_type (UNFUSED) and
    pooling_param are not read.
    Gradient: to x. Errors: ModelError for an even size, ShapeError unless there are 4 axes.
    Source: Caffe of spring 2014, where it was a type of its own; now LRN with norm_region WITHIN_CHANNEL.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        super().setup(p, *shapes)
        self.options["region"] = "WITHIN_CHANNEL"


def _window_sum(v: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Sums over `size` neighbours along `axis`, zeros beyond the ends."""
    widths = [(0, 0)] * v.ndim
    widths[axis] = (size // 2, size // 2)
    padded = np.pad(v, widths)
    length = v.shape[axis]
    total = np.zeros_like(v)
    for i in range(size):
        total += padded[(slice(None),) * axis + (slice(i, i + length),)]
    return total


def _region_mean(v: np.ndarray, region: str, size: int) -> np.ndarray:
    """The mean over the window, which counts its full size at the borders too."""
    if region == "ACROSS_CHANNELS":
        return _window_sum(v, 1, size) / v.dtype.type(size)
    return _window_sum(_window_sum(v, 2, size), 3, size) / v.dtype.type(size * size)


def _scale(x: np.ndarray, region: str, size: int, alpha: float, k: float) -> np.ndarray:
    """What x is divided by, before it is raised to beta."""
    scale = _region_mean(x * x, region, size)
    scale *= alpha
    scale += k if region == "ACROSS_CHANNELS" else 1
    return scale


def forward(x: np.ndarray, y: np.ndarray, region: str, size: int, alpha: float, beta: float, k: float) -> None:
    """y = x scale^-beta."""
    np.multiply(x, _scale(x, region, size, alpha, k) ** -beta, out=y)


def backward(
    dy: np.ndarray, x: np.ndarray, dx: np.ndarray, region: str, size: int, alpha: float, beta: float, k: float
) -> None:
    """dx = dy scale^-beta - 2 alpha beta x mean(dy y / scale) over the window; the scale is worked out once more."""
    scale = _scale(x, region, size, alpha, k)
    power = scale**-beta
    crossed = _region_mean(dy * x * power / scale, region, size)
    dx[...] = dy * power - 2 * alpha * beta * x * crossed

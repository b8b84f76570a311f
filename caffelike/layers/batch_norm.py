"""BatchNorm: normalises each channel to mean 0 and variance 1."""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register

Average = Callable[[np.ndarray], np.ndarray]


@register("BatchNorm", param="batch_norm_param")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps), channel by channel; a Scale layer usually follows.

    bottoms: x (N, C, ...); one of a single axis has one channel. tops: y, the same shape; may be in place.
    params: mean (C,), variance (C,), factor (1,): running sums, all 0 at first. They have no gradient. With scale_bias
        also scale (C,), bias (C,), as a Scale layer behind this one would have: y = scale * the above + bias.
    use_global_stats: normalise by the running statistics mean / factor and variance / factor (0 when factor is 0)
        instead of those of the batch. Default: false in TRAIN, true in TEST.
    moving_average_fraction 0.999: each pass with batch statistics makes factor = fraction factor + 1, mean = fraction
        mean + batch mean, and variance likewise with m / (m - 1) times the batch's (m = values a channel).
    eps 1e-5. scale_bias false; a scale_filler (constant 1), a bias_filler (constant 0), or Intel's use_weight_bias:
        true (its filler is scale's; bias_term true), mean scale_bias: true. Without them filler says nothing.
    Gradient: to x, through the batch's mean and variance where those were used; to scale and bias.
    Errors: ModelError when a param { } gives a running sum a lr_mult other than 0; ShapeError when C changes.
    Source: Ioffe and Szegedy, ICML 2015; the running sums are BVLC Caffe's; scale_bias: NVIDIA's and Intel's forks.
    """

    params = ("mean", "variance", "factor", "scale?", "bias?")
    inplace = True
    honours = ("scale_bias", "scale_filler", "bias_filler", "use_weight_bias", "bias_term", "filler")
    defaults = {"use_global_stats": None}  # as the phase says

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the running sums, which no solver may move."""
        self._channels = self._count_channels(shapes[0])
        for name, length in (("mean", self._channels), ("variance", self._channels), ("factor", 1)):
            self.add_param(name, (length,))
        intel = p.HasField("use_weight_bias") and p.use_weight_bias
        scaled = p.scale_bias or p.HasField("scale_filler") or p.HasField("bias_filler") or intel
        if scaled:
            filler = next((getattr(p, name) for name in ("scale_filler", "filler") if p.HasField(name)), None)
            self.add_param("scale", (self._channels,), filler, 1.0)
            if not intel or p.bias_term:
                self.add_param("bias", (self._channels,), p.bias_filler if p.HasField("bias_filler") else None)
        specs = self.message.param
        for i in range(3):
            if i == len(specs):
                specs.add().lr_mult = 0
            elif specs[i].lr_mult != 0:
                raise self.fail(
                    f"param {i} has lr_mult {specs[i].lr_mult:g}, but the running statistics are not learned;"
                    " use lr_mult: 0, or leave out the param { } blocks.",
                    ModelError,
                )
        global_stats = p.use_global_stats if p.HasField("use_global_stats") else self.phase == 1
        self.options = {
            "use_global_stats": bool(global_stats),
            "fraction": float(p.moving_average_fraction),
            "eps": float(p.eps),
        }
        reads = ("deviation",) if global_stats else ("y", "deviation")
        self.backward_reads = ("deviation", "normal", "scale") if scaled else reads  # type: ignore[misc]
        self._scaled = scaled
        if not scaled:
            self.options["normal"] = None

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `deviation` is the square root of variance + eps, `normal` what scale multiplies."""
        (shape,) = shapes
        if self._count_channels(shape) != self._channels:
            raise self.fail(f"the statistics are for {self._channels} channels, but the bottom is {shape}.")
        self.keep("deviation", (self._channels,))
        if self._scaled:
            self.keep("normal", shape)
        return [shape]

    def _count_channels(self, shape: Shape) -> int:
        if not shape:
            raise self.fail("needs a bottom of at least one axis (N, ...), but it is a single number.")
        return shape[1] if len(shape) > 1 else 1


def forward(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    use_global_stats: bool,
    fraction: float,
    eps: float,
) -> None:
    """Choose the statistics, move the running sums, normalise, scale. An empty batch changes nothing."""
    forward_over(
        x, y, mean, variance, factor, scale, bias, deviation, normal, use_global_stats, fraction, eps, _alone, 1
    )


def backward(
    dy: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None,
    deviation: np.ndarray,
    normal: np.ndarray | None,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: float,
) -> None:
    """dx = (dy - mean(dy) - y mean(dy y)) / deviation; with global statistics dy / deviation. A scale comes before."""
    backward_over(dy, y, scale, deviation, normal, dx, dscale, dbias, use_global_stats, beta, _alone)


def _alone(array: np.ndarray) -> np.ndarray:
    """The mean over one."""
    return array


def forward_over(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    use_global_stats: bool,
    fraction: float,
    eps: float,
    average: Average,
    parts: int,
) -> None:
    """`forward` of a batch that is the share of one of `parts` equal ones; `average` is the mean over their arrays."""
    if x.size == 0:
        return
    values, out = _channels_in_the_middle(x), _channels_in_the_middle(y)
    if use_global_stats:
        share = 0 if factor[0] == 0 else 1 / factor[0]
        batch_mean, batch_variance = mean * share, variance * share
        np.subtract(values, batch_mean[:, None], out=out)
    else:
        batch_mean = average(values.mean(axis=(0, 2), dtype=np.float64))
        np.subtract(values, batch_mean.astype(x.dtype)[:, None], out=out)
        batch_variance = average(np.square(out).mean(axis=(0, 2), dtype=np.float64))
        each = parts * x.size // mean.size
        factor *= fraction
        factor += 1
        mean *= fraction
        mean += batch_mean
        variance *= fraction
        variance += batch_variance * (each / (each - 1) if each > 1 else 1)
    root = np.sqrt(batch_variance + eps).astype(x.dtype)
    out /= root[:, None]
    if deviation is not None:
        deviation[...] = root
    if scale is None:
        return
    if normal is not None:
        np.copyto(normal, y)
    out *= scale[:, None]
    if bias is not None:
        out += bias[:, None]


def backward_over(
    dy: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None,
    deviation: np.ndarray,
    normal: np.ndarray | None,
    dx: np.ndarray | None,
    dscale: np.ndarray | None,
    dbias: np.ndarray | None,
    use_global_stats: bool,
    beta: float,
    average: Average,
) -> None:
    """`backward` of a share of a batch, see `forward_over`."""
    gradient = _channels_in_the_middle(dy)
    values = _channels_in_the_middle(y if normal is None else normal)
    if dscale is not None:
        dscale[...] = (dscale if beta else 0) + (gradient * values).sum(axis=(0, 2), dtype=np.float64)
    if dbias is not None:
        dbias[...] = (dbias if beta else 0) + gradient.sum(axis=(0, 2), dtype=np.float64)
    if dx is None or dx.size == 0:
        return
    if scale is not None:
        gradient = gradient * scale[:, None]
    out = _channels_in_the_middle(dx)
    if use_global_stats:
        np.divide(gradient, deviation[:, None], out=out)
        return
    level = average(gradient.mean(axis=(0, 2), dtype=np.float64)).astype(dy.dtype)
    slant = average((gradient * values).mean(axis=(0, 2), dtype=np.float64)).astype(dy.dtype)
    np.subtract(gradient, level[:, None] + values * slant[:, None], out=out)
    out /= deviation[:, None]


def affine(
    mean: np.ndarray,
    variance: np.ndarray,
    factor: np.ndarray,
    scale: np.ndarray | None,
    bias: np.ndarray | None,
    use_global_stats: bool,
    eps: float,
) -> tuple[np.ndarray, np.ndarray] | None:
    """(slope, shift) of each channel if y = slope x + shift, as with global statistics; else None."""
    if not use_global_stats:
        return None
    share = 0 if factor[0] == 0 else 1 / factor[0]
    slope = (1 if scale is None else scale) / np.sqrt(variance * share + eps)
    return slope, (0 if bias is None else bias) - mean * share * slope


def _channels_in_the_middle(array: np.ndarray) -> np.ndarray:
    """A view of shape (N, C, the rest)."""
    return array.reshape(array.shape[0], array.shape[1] if array.ndim > 1 else 1, int(np.prod(array.shape[2:])))

"""BN: the batch normalisation with slope and bias that forks had before BatchNorm and Scale, in three dialects."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register

_SLOPE = ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")
_DECAY = ("var_eps", "moving_average", "decay", "across_spatial")
_SEGNET = ("scale_filler", "shift_filler", "bn_mode")


@register("BN", param="bn_param")
class BN(Layer):
    """y = slope (x - mean) / sqrt(variance + eps) + bias, channel by channel.

    bottoms: x (N, C, ...). tops: y, the same shape, may be in place; batch_mean, batch_variance (1, C, 1, 1), where
        given: what was used.
    params: slope, bias (1, C, 1, 1), and in the dialects with four blobs running mean and variance, which no solver
        moves.
    The fields used tell the dialect (where there are none, the number of param { } or blobs: 2 is SegNet's):
    slope_filler (constant 1), bias_filler (0), momentum 0.9, eps 1e-5, frozen false: yjxiong's and PSPNet's. Training:
        the batch's statistics; running = momentum running + (1 - momentum) batch (biased variance). Testing, or frozen:
        the running ones; frozen: slope and bias are not learned either.
    moving_average, decay 0.95, var_eps 1e-10, scale_filler, shift_filler: ParseNet's and ChenglongChen's. Training:
        running = (1 - decay) running + decay batch; testing: the running ones with moving_average: true, else the
        batch's.
    bn_mode, scale_filler, shift_filler: SegNet's two blobs. LEARN: the batch's statistics, testing too, eps 1e-9;
        INFERENCE: y = slope x + bias, for statistics computed beforehand and folded in.
    Gradient: to x, through the batch's statistics where those were used; to slope and bias.
    Errors: ModelError for fields of several dialects, and across_spatial: false; ShapeError when C changes.
    Source: Ioffe and Szegedy, ICML 2015, in the forks named. A filler left out is constant 0 there for slopes, too.
    """

    tops = ("y", "batch_mean?", "batch_variance?")
    params = ("slope", "bias", "mean?", "variance?")
    inplace = True
    backward_reads = ("slope", "deviation", "normal")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Tell the dialect, declare the blobs."""
        shape = shapes[0]
        if len(shape) < 2:
            raise self.fail(f"needs a bottom of at least 2 axes (N, C, ...), but it is {shape}.")
        self._channels = shape[1]
        blob = (1, self._channels, 1, 1)
        dialect = self._dialect(p)
        names = ("slope_filler", "bias_filler") if dialect == "slope" else ("scale_filler", "shift_filler")
        fillers = [getattr(p, name) if p.HasField(name) else None for name in names]
        self.add_param("slope", blob, fillers[0], 1.0)
        self.add_param("bias", blob, fillers[1])
        test, eps, share = self.phase == 1, float(p.eps), 1 - float(p.momentum)
        if dialect == "segnet":
            inference = type(p).BNMode.Name(p.bn_mode) == "INFERENCE"
            statistics, eps, share = ("none" if inference else "batch"), 1e-9, 0.0
        elif dialect == "decay":
            statistics = "running" if test and p.moving_average else "batch"
            eps, share = float(p.var_eps), 0.0 if test else float(p.decay)
            if not p.across_spatial:
                raise self.fail("across_spatial: false cannot be computed; leave it out: all places count.", ModelError)
        else:
            statistics = "running" if test or p.frozen else "batch"
        if dialect != "segnet":
            self.add_param("mean", blob)
            self.add_param("variance", blob)
            specs = self.message.param
            while len(specs) < 4:
                specs.add()
            for i in (0, 1, 2, 3) if dialect == "slope" and p.frozen else (2, 3):
                specs[i].lr_mult = specs[i].decay_mult = 0
        self.options = {"statistics": statistics, "eps": eps, "share": share}

    def _dialect(self, p: Any) -> str:
        used = {
            name: [f for f in fields if p.HasField(f)]
            for name, fields in (("slope", _SLOPE), ("decay", _DECAY), ("segnet", _SEGNET))
        }
        if used["slope"] and (used["decay"] or used["segnet"]):
            other = (used["decay"] + used["segnet"])[0]
            raise self.fail(
                f"{used['slope'][0]} and {other} are of two forks' BN layers; use those of one of them.", ModelError
            )
        if used["decay"] and p.HasField("bn_mode"):
            raise self.fail(f"{used['decay'][0]} and bn_mode are of two forks' BN layers; use one.", ModelError)
        if used["decay"]:
            return "decay"
        two = 2 in (len(self.message.param), len(self.message.blobs))
        return "segnet" if used["segnet"] or (two and not used["slope"]) else "slope"

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape; `deviation` is what x - mean is divided by, `normal` what slope multiplies."""
        shape = shapes[0]
        if len(shape) < 2 or shape[1] != self._channels:
            raise self.fail(f"was made for {self._channels} channels, but the bottom is {shape}.")
        self.keep("deviation", (self._channels,))
        self.keep("normal", shape)
        return [shape, *[(1, self._channels, 1, 1)] * (len(self.message.top) - 1)]


def forward(
    x: np.ndarray,
    y: np.ndarray,
    batch_mean: np.ndarray | None,
    batch_variance: np.ndarray | None,
    slope: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray | None,
    variance: np.ndarray | None,
    deviation: np.ndarray | None,
    normal: np.ndarray | None,
    statistics: str,
    eps: float,
    share: float,
) -> None:
    """Choose the statistics, move the running ones, normalise, scale. An empty batch changes nothing."""
    if x.size == 0:
        return
    channels = slope.size
    values, out = _channels_in_the_middle(x), _channels_in_the_middle(y)
    if statistics == "none":
        centre, spread, root = np.zeros(channels), np.ones(channels), np.ones(channels)
    else:
        if statistics == "running" and mean is not None and variance is not None:
            centre, spread = mean.reshape(-1), variance.reshape(-1)
        else:
            centre = values.mean(axis=(0, 2), dtype=np.float64)
            spread = np.square(values - centre.astype(x.dtype)[:, None]).mean(axis=(0, 2), dtype=np.float64)
            if mean is not None and variance is not None and share:
                for running, now in ((mean, centre), (variance, spread)):
                    running *= 1 - share
                    running += share * now.reshape(running.shape)
        root = np.sqrt(spread + eps)
    for top, used in ((batch_mean, centre), (batch_variance, spread)):
        if top is not None:
            top[...] = used.reshape(top.shape)
    np.subtract(values, centre.astype(x.dtype)[:, None], out=out)
    out /= root.astype(x.dtype)[:, None]
    if deviation is not None and normal is not None:
        deviation[...] = root
        np.copyto(normal, y)
    out *= slope.reshape(-1, 1)
    out += bias.reshape(-1, 1)


def backward(
    dy: np.ndarray,
    slope: np.ndarray,
    deviation: np.ndarray,
    normal: np.ndarray,
    dx: np.ndarray | None,
    dslope: np.ndarray | None,
    dbias: np.ndarray | None,
    statistics: str,
    beta: float,
) -> None:
    """dx = slope (dy - mean(dy) - normal mean(dy normal)) / deviation; without the means where they are given."""
    gradient, values = _channels_in_the_middle(dy), _channels_in_the_middle(normal)
    if dslope is not None:
        sums = (gradient * values).sum(axis=(0, 2), dtype=np.float64)
        dslope[...] = (dslope if beta else 0) + sums.reshape(dslope.shape)
    if dbias is not None:
        sums = gradient.sum(axis=(0, 2), dtype=np.float64)
        dbias[...] = (dbias if beta else 0) + sums.reshape(dbias.shape)
    if dx is None or dx.size == 0:
        return
    gradient = gradient * slope.reshape(-1, 1)
    if statistics == "batch":
        average = gradient.mean(axis=(0, 2), dtype=np.float64).astype(dy.dtype)
        slant = (gradient * values).mean(axis=(0, 2), dtype=np.float64).astype(dy.dtype)
        gradient -= average[:, None] + values * slant[:, None]
    np.divide(gradient, deviation[:, None], out=_channels_in_the_middle(dx))


def affine(
    slope: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray | None,
    variance: np.ndarray | None,
    statistics: str,
    eps: float,
) -> tuple[np.ndarray, np.ndarray] | None:
    """(slope, shift) of each channel if y = slope x + shift, as with running statistics; else None."""
    if statistics == "none":
        return slope.reshape(-1), bias.reshape(-1)
    if statistics == "batch" or mean is None or variance is None:
        return None
    scale = slope.reshape(-1) / np.sqrt(variance.reshape(-1) + eps)
    return scale, bias.reshape(-1) - mean.reshape(-1) * scale


def _channels_in_the_middle(array: np.ndarray) -> np.ndarray:
    """A view of shape (N, C, the rest)."""
    return array.reshape(*array.shape[:2], int(np.prod(array.shape[2:])))

"""SigmoidCrossEntropyLoss; see layers/sigmoid_cross_entropy_loss.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.sums import total
from caffelike.kernels.cpu.vector_math import exp, log1p, sigmoid
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_GRAIN = 4096  # values in a chunk
_NONE = np.empty(0, np.float32)


def forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """loss = -sum(w (x (t - [x >= 0]) - log(1 + exp(-|x|)))) / divisor."""
    terms, valid = _add_up(x, target, weight, ignore_label, class_weight)
    loss[...] = -terms / _divisor(x, normalization, valid)


def backward(
    dloss: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    dx: np.ndarray,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """dx = dloss w (sigmoid(x) - t) / divisor, 0 where ignored."""
    valid = _add_up(x, target, weight, ignore_label, class_weight)[1] if normalization == "VALID" else 0.0
    factor = float(dloss) / _divisor(x, normalization, valid)
    options = _options(x, weight, ignore_label, class_weight)
    _gradient(x.size, _GRAIN, x.reshape(-1), target.reshape(-1), dx.reshape(-1), factor, *options)


def _options(
    x: np.ndarray, weight: np.ndarray | None, ignore_label: int | None, class_weight: tuple[float, ...]
) -> tuple[np.ndarray, float, tuple[float, ...]]:
    """Weights of all values (empty: 1 each), the ignored target (NaN: none), weights of the targets 0 and 1."""
    own = _NONE if weight is None else np.repeat(weight.reshape(-1), x.size // max(1, weight.size))
    return own, np.nan if ignore_label is None else float(ignore_label), class_weight or (1.0, 1.0)


def _add_up(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> tuple[float, float]:
    """The sum of the weighted terms, and that of the weights."""
    sums = np.zeros((2, -(-x.size // _GRAIN)))
    options = _options(x, weight, ignore_label, class_weight)
    _terms(x.size, _GRAIN, x.reshape(-1), target.reshape(-1), sums, *options)
    terms, valid = sums.sum(axis=1)
    return float(terms), float(valid)


def _divisor(x: np.ndarray, normalization: str | float, valid: float) -> float:
    modes = {"FULL": x.size, "VALID": valid, "BATCH_SIZE": x.shape[0], "NONE": 1}
    return max(1, modes[normalization] if isinstance(normalization, str) else normalization)


@kernel
def _factor(target, ignored, classes):
    """The weight of a target's class; 0 if it is ignored."""
    zero, one = np.float32(classes[0]), np.float32(classes[1])
    return np.float32(0) if np.trunc(target) == np.float32(ignored) else zero + (one - zero) * target


@task
def _terms(worker, lo, hi, x, target, sums, own, ignored, classes):
    """The sums of the values lo..hi: small loops, one thing each, for LLVM to vectorise them."""
    n, x, target = hi - lo, x[lo:hi], target[lo:hi]
    terms, factors = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n):
        factors[i] = _factor(target[i], ignored, classes)
    if own.size:
        own = own[lo:hi]
        for i in range(n):
            factors[i] *= own[i]
    one, zero = np.float32(1), np.float32(0)
    for i in range(n):
        terms[i] = factors[i] * (x[i] * (target[i] - (one if x[i] >= 0 else zero)) - log1p(exp(-np.abs(x[i]))))
    for i in range(n):
        terms[i] = terms[i] if np.trunc(target[i]) != np.float32(ignored) else zero
    sums[0, lo // _GRAIN], sums[1, lo // _GRAIN] = total(terms), total(factors)


@task
def _gradient(worker, lo, hi, x, target, dx, factor, own, ignored, classes):
    x, target, dx, factor = x[lo:hi], target[lo:hi], dx[lo:hi], np.float32(factor)
    for i in range(hi - lo):
        counts = np.trunc(target[i]) != np.float32(ignored)
        slope = (sigmoid(x[i]) - target[i]) * _factor(target[i], ignored, classes) * factor
        dx[i] = slope if counts else np.float32(0)
    if own.size:
        own = own[lo:hi]
        for i in range(hi - lo):
            dx[i] *= own[i]

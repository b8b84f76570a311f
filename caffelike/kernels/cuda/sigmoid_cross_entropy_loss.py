"""SigmoidCrossEntropyLoss; see layers/sigmoid_cross_entropy_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.scalar import exp, log1p, sigmoid
from caffelike.kernels.cuda.sums import summed


def forward(
    x: Any,
    target: Any,
    weight: Any,
    loss: Any,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """log(1 + exp(-|x|)) - x (t - [x >= 0]), weighted, summed and divided."""
    terms = _terms(target, weight, ignore_label, class_weight)
    total = empty(1)
    _losses(1, x.size, total, 0, x.reshape(-1), *terms)
    divide(1, total, _valid(x.size, terms), loss.reshape(-1), *_fixed(normalization, x))


def backward(
    dloss: Any,
    x: Any,
    target: Any,
    weight: Any,
    dx: Any,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
) -> None:
    """dx = dloss w (sigmoid(x) - t) / divisor."""
    terms = _terms(target, weight, ignore_label, class_weight)
    factor = empty(1)
    divide(1, dloss.reshape(-1), _valid(x.size, terms), factor, *_fixed(normalization, x))
    _backward(x.size, x.reshape(-1), dx.reshape(-1), factor, *terms)


def _terms(target: Any, weight: Any, ignore_label: int | None, class_weight: tuple[float, ...]) -> tuple:
    """What says how much a value counts; where there are no weights the targets stand in their place."""
    targets = target.reshape(-1)
    weights = targets if weight is None else weight.reshape(-1)
    each = 0 if weight is None else max(1, targets.size // max(1, weight.size))
    zero, one = (float(w) for w in class_weight) if class_weight else (1.0, 1.0)
    return targets, weights, each, zero, one, ignore_label is not None, int(ignore_label or 0)


def _valid(count: int, terms: tuple) -> Any:
    """The sum of what the values count, in a device array of one number."""
    valid = empty(1)
    _factors(1, count, valid, 0, *terms)
    return valid


def _fixed(normalization: str | float, x: Any) -> tuple[bool, float]:
    """Whether the divisor is what is valid; else the divisor itself."""
    modes = {"FULL": x.size, "VALID": 0, "BATCH_SIZE": x.shape[0], "NONE": 1}
    value = modes[normalization] if isinstance(normalization, str) else normalization
    return normalization == "VALID", float(value)


@device
def _ignored(t, ignores, ignored):
    """Whether a target is the label that does not count."""
    return ignores and abs(t) < np.float32(2**31) and int(t) == ignored


@device
def _factor(i, targets, weights, each, zero, one, ignores, ignored):
    """How much value i counts."""
    t = targets[i]
    if _ignored(t, ignores, ignored):
        return np.float32(0)
    value = zero if zero == one else zero + (one - zero) * t
    return value * weights[i // each] if each > 0 else value


@summed
def _losses(o, i, x, targets, weights, each, zero, one, ignores, ignored):
    if _ignored(targets[i], ignores, ignored):
        return np.float32(0)
    v = x[i]
    above = np.float32(1) if v >= 0 else np.float32(0)
    return (log1p(exp(-abs(v))) - v * (targets[i] - above)) * _factor(
        i, targets, weights, each, zero, one, ignores, ignored
    )


@summed
def _factors(o, i, targets, weights, each, zero, one, ignores, ignored):
    return _factor(i, targets, weights, each, zero, one, ignores, ignored)


@task
def _backward(i, x, dx, factor, targets, weights, each, zero, one, ignores, ignored):
    if _ignored(targets[i], ignores, ignored):
        dx[i] = np.float32(0)
    else:
        own = _factor(i, targets, weights, each, zero, one, ignores, ignored)
        dx[i] = (sigmoid(x[i]) - targets[i]) * own * factor[0]

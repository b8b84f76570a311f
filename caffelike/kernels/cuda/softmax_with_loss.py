"""SoftmaxWithLoss; see layers/softmax_with_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cuda.door import copy, device, download, empty, on_device, on_host, task
from caffelike.kernels.cuda.scalar import TINIEST, log
from caffelike.kernels.cuda.softmax import lengths, slope, softmax
from caffelike.kernels.cuda.sums import summed

_NOTHING = -(2**62)  # stands for "no label is ignored": no label is so small


def forward(
    x: Any,
    label: Any,
    weight: Any,
    loss: Any,
    prob: Any,
    probability: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """Softmax, then the mean of the logarithms at the labels. Waits for the labels' check; raises LabelError."""
    classes, inner = lengths(x, axis)
    places = label.size
    ignored = _NOTHING if ignore_label is None else ignore_label
    labels = label.reshape(-1)
    wrong = empty(1)
    _wrong(1, places, wrong, 0, labels, classes, ignored)
    _raise_for(wrong, label, classes, ignored, x.shape[0])
    if probability is None:
        probability = empty(x.size) if prob is None else prob
    p = probability.reshape(-1)
    softmax(places, x.reshape(-1), p, classes, inner)
    if prob is not None and prob is not probability:
        copy(prob, probability)
    terms = _terms(labels, weight, class_weight, ignored)
    total = empty(1)
    peak, base, _ = _targets(smoothing, classes)
    _losses(1, places, total, 0, p, *terms, classes, inner, peak, base)
    _divide(1, total, _valid(places, terms, weighted), loss.reshape(-1), *_fixed(normalization, places, inner))


def backward(
    dloss: Any,
    dprob: Any,
    label: Any,
    weight: Any,
    probability: Any,
    dx: Any,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """dx = dloss (p - target) / divisor, and through the second top."""
    classes, inner = lengths(dx, axis)
    places = label.size
    terms = _terms(label.reshape(-1), weight, class_weight, _NOTHING if ignore_label is None else ignore_label)
    factor = empty(1)
    fixed = _fixed(normalization, places, inner)
    _divide(1, dloss.reshape(-1), _valid(places, terms, weighted), factor, *fixed)
    p, to = probability.reshape(-1), dx.reshape(-1)
    _backward(places, p, to, factor, *terms, classes, inner, *_targets(smoothing, classes))
    if dprob is not None:
        _add_through(places, dprob.reshape(-1), p, to, classes, inner)


def _targets(smoothing: float, classes: int) -> tuple[np.float32, np.float32, np.float32]:
    """(what the label's target is above the others', the others' target, the sum of all)."""
    base = smoothing / max(1, classes)
    return np.float32(1 - smoothing - base if smoothing else 1), np.float32(base), np.float32(1 - base)


def _terms(labels: Any, weight: Any, class_weight: tuple[float, ...], ignored: int) -> tuple:
    """What says how much a place counts: labels, weights and how many places each is for, class weights, ignored.

    Where there are no weights, or none of classes, the labels stand in their place, and 0 or False behind them.
    """
    weights = labels if weight is None else weight.reshape(-1)
    each = 0 if weight is None else max(1, labels.size // max(1, weight.size))
    factors = on_device(np.array(class_weight, np.float32)) if class_weight else labels
    return labels, weights, each, factors, bool(class_weight), ignored


def _raise_for(wrong: Any, label: Any, classes: int, ignored: int, items: int) -> None:
    """Raise LabelError for the first label that is no class, if `wrong` counts any."""
    count = np.empty(1, np.float32)
    download(wrong, count)
    if count[0]:
        values = on_host(label).reshape(-1)
        whole = np.trunc(values)
        first = int(np.flatnonzero((whole != ignored) & ~((whole >= 0) & (whole < classes)))[0])
        raise LabelError.no_class(first * items // values.size, float(values[first]), classes)


def _valid(places: int, terms: tuple, weighted: bool) -> Any:
    """The sum of the places' weights, or how many count, in a device array of one number."""
    valid = empty(1)
    (_weights if weighted else _counts)(1, places, valid, 0, *terms)
    return valid


def _fixed(normalization: str | float, places: int, inner: int) -> tuple[bool, float]:
    """Whether the divisor is what is valid; else the divisor itself."""
    modes = {"FULL": places, "VALID": 0, "BATCH_SIZE": places // max(1, inner), "NONE": 1}
    value = modes[normalization] if isinstance(normalization, str) else normalization
    return normalization == "VALID", float(value)


@device
def _factor(i, labels, weights, each, factors, by_class, ignored):
    """How much place i counts."""
    label = int(labels[i])
    if label == ignored:
        return np.float32(0)
    value = np.float32(1)
    if by_class:
        value = factors[label]
    if each > 0:
        value = value * weights[i // each]
    return value


@summed
def _wrong(o, i, labels, classes, ignored):
    v = labels[i]
    right = v > np.float32(-1) and v < np.float32(classes)
    return np.float32(0) if right or (abs(v) < np.float32(2**31) and int(v) == ignored) else np.float32(1)


@summed
def _losses(o, i, p, labels, weights, each, factors, by_class, ignored, classes, inner, peak, base):
    label = int(labels[i])
    if label == ignored:
        return np.float32(0)
    first = i // inner * classes * inner + i % inner
    v = p[first + label * inner]
    term = peak * log(TINIEST if v < TINIEST else v)
    if base > np.float32(0):
        for k in range(classes):
            v = p[first + k * inner]
            term += base * log(TINIEST if v < TINIEST else v)
    return -term * _factor(i, labels, weights, each, factors, by_class, ignored)


@summed
def _weights(o, i, labels, weights, each, factors, by_class, ignored):
    return _factor(i, labels, weights, each, factors, by_class, ignored)


@summed
def _counts(o, i, labels, weights, each, factors, by_class, ignored):
    return np.float32(0) if int(labels[i]) == ignored else np.float32(1)


@task
def _divide(i, number, valid, to, by_valid, fixed):
    divisor = valid[0] if by_valid else fixed
    to[0] = number[0] / (divisor if divisor > np.float32(1) else np.float32(1))


@task
def _backward(i, p, dx, factor, labels, weights, each, factors, by_class, ignored, classes, inner, peak, base, total):
    label = int(labels[i])
    at = i // inner * classes * inner + i % inner
    scale = factor[0] * _factor(i, labels, weights, each, factors, by_class, ignored)
    for k in range(classes):
        here = at + k * inner
        if label == ignored:
            dx[here] = np.float32(0)
        else:
            dx[here] = (p[here] * total - base - (peak if k == label else np.float32(0))) * scale


@task
def _add_through(i, dprob, p, dx, classes, inner):
    at, total = slope(i, dprob, p, classes, inner)
    for k in range(classes):
        here = at + k * inner
        dx[here] += p[here] * (dprob[here] - total)

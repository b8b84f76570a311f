"""Labels: checked, and how much the place of each counts; what losses over classes share."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cuda.door import device, download, empty, on_device, on_host, task
from caffelike.kernels.cuda.sums import summed

NOTHING = -(2**62)  # stands for "no label is ignored": no label is so small


def check(label: Any, classes: int, ignored: int, items: int) -> None:
    """Raise LabelError for the first label that is no class. Waits for the GPU.

    items: the batch size, to say in which item the label is.
    """
    wrong, count = empty(1), np.empty(1, np.float32)
    _wrong(1, label.size, wrong, 0, label.reshape(-1), classes, ignored)
    download(wrong, count)
    if count[0]:
        values = on_host(label).reshape(-1)
        whole = np.trunc(values)
        first = int(np.flatnonzero((whole != ignored) & ~((whole >= 0) & (whole < classes)))[0])
        raise LabelError.no_class(first * items // values.size, float(values[first]), classes)


def terms(label: Any, weight: Any, class_weight: tuple[float, ...], ignore_label: int | None) -> tuple:
    """What `factor` is told behind a place: labels, weights and how many places each is for, class weights, ignored.

    Where there are no weights, or none of classes, the labels stand in their place, and 0 or False behind them.
    """
    labels = label.reshape(-1)
    weights = labels if weight is None else weight.reshape(-1)
    each = 0 if weight is None else max(1, labels.size // max(1, weight.size))
    factors = on_device(np.array(class_weight, np.float32)) if class_weight else labels
    return labels, weights, each, factors, bool(class_weight), NOTHING if ignore_label is None else ignore_label


def valid(places: int, terms: tuple, weighted: bool) -> Any:
    """The sum of the places' weights, or how many count, in a device array of one number."""
    total = empty(1)
    (_weights if weighted else _counts)(1, places, total, 0, *terms)
    return total


def fixed(normalization: str | float, places: int, inner: int) -> tuple[bool, float]:
    """Whether the divisor is what is valid; else the divisor itself."""
    modes = {"FULL": places, "VALID": 0, "BATCH_SIZE": places // max(1, inner), "NONE": 1}
    value = modes[normalization] if isinstance(normalization, str) else normalization
    return normalization == "VALID", float(value)


@device
def factor(i, labels, weights, each, factors, by_class, ignored):
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


@task
def divide(i, number, valid, to, by_valid, fixed):
    """to = number / the divisor that `fixed` chose, taken as at least 1."""
    divisor = valid[0] if by_valid else fixed
    to[0] = number[0] / (divisor if divisor > np.float32(1) else np.float32(1))


@summed
def _wrong(o, i, labels, classes, ignored):
    v = labels[i]
    right = v > np.float32(-1) and v < np.float32(classes)
    return np.float32(0) if right or (abs(v) < np.float32(2**31) and int(v) == ignored) else np.float32(1)


@summed
def _weights(o, i, labels, weights, each, factors, by_class, ignored):
    return factor(i, labels, weights, each, factors, by_class, ignored)


@summed
def _counts(o, i, labels, weights, each, factors, by_class, ignored):
    return np.float32(0) if int(labels[i]) == ignored else np.float32(1)

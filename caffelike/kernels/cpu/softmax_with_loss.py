"""SoftmaxWithLoss; see layers/softmax_with_loss.py for the definition."""

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cpu import softmax
from caffelike.kernels.cpu.vector_math import log
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_FLT_MIN = np.finfo(np.float32).tiny
_GRAIN = 4096  # places, or values, in a chunk
_NONE = np.empty(0)


def forward(
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray | None,
    loss: np.ndarray,
    prob: np.ndarray | None,
    probability: np.ndarray | None,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """loss = -sum(w log p[label]) / divisor, p = softmax(x) at least FLT_MIN."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    outer, classes, inner = softmax.split(x.shape, axis)
    ignored = np.nan if ignore_label is None else float(ignore_label)
    valid = _count_labels(label, classes, ignored, x.shape[0])
    factors, total = _factors(label, weight, class_weight, ignored)
    softmax.forward(x, probability, axis)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    sums = np.zeros(-(-outer * inner // _GRAIN))
    arrays = (probability.reshape(-1), label.reshape(-1), factors, sums)
    _loss(outer * inner, _GRAIN, *arrays, classes, inner, ignored, *_targets(smoothing, classes)[:2])
    loss[...] = sums.sum() / _divisor(normalization, outer, inner, total if weighted and factors.size else valid)


def backward(
    dloss: np.ndarray,
    dprob: np.ndarray | None,
    label: np.ndarray,
    weight: np.ndarray | None,
    probability: np.ndarray,
    dx: np.ndarray,
    axis: int,
    normalization: str | float,
    ignore_label: int | None,
    class_weight: tuple[float, ...],
    weighted: bool,
    smoothing: float,
) -> None:
    """dx = dloss w (p - target) / divisor, and through the second top."""
    outer, classes, inner = softmax.split(dx.shape, axis)
    ignored = np.nan if ignore_label is None else float(ignore_label)
    valid = _count_labels(label, classes, ignored, dx.shape[0])
    factors, total = _factors(label, weight, class_weight, ignored)
    factor = float(dloss) / _divisor(normalization, outer, inner, total if weighted and factors.size else valid)
    arrays = (probability.reshape(-1), label.reshape(-1), factors, dx.reshape(-1))
    aims = _targets(smoothing, classes)
    if inner == 1:
        _gradient(outer, max(1, _GRAIN // classes), *arrays, classes, factor, ignored, *aims)
    else:
        grain = max(1, _GRAIN // max(1, inner))
        _gradient_planes(outer * classes, grain, *arrays, classes, inner, factor, ignored, *aims)
    if dprob is not None:
        more = np.empty_like(dx)
        softmax.backward(dprob, probability, more, axis)
        dx += more


def _targets(smoothing: float, classes: int) -> tuple[float, float, float]:
    """(what the label's target is above the others', the others' target, the sum of all)."""
    base = smoothing / max(1, classes)
    return 1 - smoothing - base if smoothing else 1.0, base, 1 - base


def _count_labels(label: np.ndarray, classes: int, ignored: float, items: int) -> int:
    """How many labels are not ignored; LabelError where one is no class."""
    valid, wrong = _read(label.reshape(-1), classes, ignored)
    if wrong >= 0:
        raise LabelError.no_class(wrong * items // label.size, float(label.reshape(-1)[wrong]), classes)
    return valid


def _factors(
    label: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...], ignored: float
) -> tuple[np.ndarray, float]:
    """What each place's loss is multiplied by, flat (empty: 1 each), and the sum over the places that count."""
    if weight is None and not class_weight:
        return _NONE, 0.0
    factors = np.empty(label.size)
    own = np.ones(1, np.float32) if weight is None else weight.reshape(-1)
    return factors, _weigh(label.reshape(-1), own, np.array(class_weight, np.float64), ignored, factors)


def _divisor(normalization: str | float, outer: int, inner: int, valid: float) -> float:
    modes = {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}
    return max(1, modes[normalization] if isinstance(normalization, str) else normalization)


@kernel
def _read(label, classes, ignored):
    """(labels that are not ignored, the first wrong one or -1); `ignored` NaN: none."""
    valid, wrong = 0, -1
    for i in range(label.size):
        here = np.trunc(label[i])
        if here == ignored:
            continue
        valid += 1
        if wrong < 0 and not (here >= 0 and here < classes):
            wrong = i
    return valid, wrong


@kernel
def _weigh(label, own, classes, ignored, factors):
    """factors = the class's weight (empty: 1) times that of the place or of its item; their sum. Ignored ones are 0."""
    total, share = 0.0, max(1, label.size // max(1, own.size))
    for i in range(label.size):
        here = np.trunc(label[i])
        if here == ignored:
            factors[i] = 0
            continue
        factors[i] = (classes[int(here)] if classes.size else 1.0) * own[i // share]
        total += factors[i]
    return total


@task
def _loss(worker, lo, hi, probability, label, factors, sums, classes, inner, ignored, peak, base):
    """The sum of the losses of the places lo..hi."""
    total = 0.0
    for i in range(lo, hi):
        here = np.trunc(label[i])
        if here == ignored:
            continue
        first = i // inner * classes * inner + i % inner
        p = probability[first + int(here) * inner]
        term = log(_FLT_MIN if p < _FLT_MIN else p)
        if base > 0:
            term *= peak
            for c in range(classes):
                p = probability[first + c * inner]
                term += base * log(_FLT_MIN if p < _FLT_MIN else p)
        total -= term * factors[i] if factors.size else term
    sums[lo // _GRAIN] = total


@task
def _gradient(worker, lo, hi, probability, label, factors, dx, classes, whole, ignored, peak, base, total):
    """The items lo..hi, whose classes lie next to each other."""
    peak, base, total = np.float32(peak), np.float32(base), np.float32(total)
    for i in range(lo, hi):
        factor = np.float32(whole * factors[i] if factors.size else whole)
        here = np.trunc(label[i])
        p, there = probability[i * classes : (i + 1) * classes], dx[i * classes : (i + 1) * classes]
        if here == ignored:
            for c in range(classes):
                there[c] = 0
            continue
        for c in range(classes):
            there[c] = (p[c] * total - base) * factor
        there[int(here)] = (p[int(here)] * total - base - peak) * factor


@task
def _gradient_planes(
    worker, lo, hi, probability, label, factors, dx, classes, inner, factor, ignored, peak, base, total
):
    """The planes lo..hi: one class at all places of an item."""
    factor, zero, ignored = np.float32(factor), np.float32(0), np.float32(ignored)
    peak, base, total = np.float32(peak), np.float32(base), np.float32(total)
    for q in range(lo, hi):
        item, c = q // classes, np.float32(q % classes)
        p, there = probability[q * inner : (q + 1) * inner], dx[q * inner : (q + 1) * inner]
        labels = label[item * inner : (item + 1) * inner]
        for i in range(inner):
            here = np.trunc(labels[i])
            slope = (p[i] * total - base - (peak if here == c else zero)) * factor
            there[i] = zero if here == ignored else slope
        if factors.size:
            own = factors[item * inner : (item + 1) * inner]
            for i in range(inner):
                there[i] *= np.float32(own[i])

"""SoftmaxWithLoss; see layers/softmax_with_loss.py for the definition."""

import numpy as np

from caffelike.errors import LabelError
from caffelike.kernels.cpu import softmax
from caffelike.kernels.cpu.vector_math import log
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import task

_FLT_MIN = np.finfo(np.float32).tiny
_GRAIN = 4096  # places, or values, in a chunk


def forward(
    x: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    prob: np.ndarray | None,
    probability: np.ndarray | None,
    axis: int,
    normalization: str,
    ignore_label: int | None,
) -> None:
    """loss = -sum(log p[label]) / divisor, p = softmax(x) at least FLT_MIN."""
    if probability is None:
        probability = np.empty_like(x) if prob is None else prob
    outer, classes, inner = softmax.split(x.shape, axis)
    ignored = np.nan if ignore_label is None else float(ignore_label)
    valid = _count_labels(label, classes, ignored, x.shape[0])
    softmax.forward(x, probability, axis)
    if prob is not None and prob is not probability:
        np.copyto(prob, probability)
    sums = np.zeros(-(-outer * inner // _GRAIN))
    _loss(outer * inner, _GRAIN, probability.reshape(-1), label.reshape(-1), sums, classes, inner, ignored)
    loss[...] = sums.sum() / _divisor(normalization, outer, inner, valid)


def backward(
    dloss: np.ndarray,
    dprob: np.ndarray | None,
    label: np.ndarray,
    probability: np.ndarray,
    dx: np.ndarray,
    axis: int,
    normalization: str,
    ignore_label: int | None,
) -> None:
    """dx = dloss (p - one-hot label) / divisor, and through the second top."""
    outer, classes, inner = softmax.split(dx.shape, axis)
    ignored = np.nan if ignore_label is None else float(ignore_label)
    valid = _count_labels(label, classes, ignored, dx.shape[0])
    factor = float(dloss) / _divisor(normalization, outer, inner, valid)
    arrays = (probability.reshape(-1), label.reshape(-1), dx.reshape(-1))
    if inner == 1:
        _gradient(outer, max(1, _GRAIN // classes), *arrays, classes, factor, ignored)
    else:
        grain = max(1, _GRAIN // max(1, inner))
        _gradient_planes(outer * classes, grain, *arrays, classes, inner, factor, ignored)
    if dprob is not None:
        more = np.empty_like(dx)
        softmax.backward(dprob, probability, more, axis)
        dx += more


def _count_labels(label: np.ndarray, classes: int, ignored: float, items: int) -> int:
    """How many labels are not ignored; LabelError where one is no class."""
    valid, wrong = _read(label.reshape(-1), classes, ignored)
    if wrong >= 0:
        raise LabelError.no_class(wrong * items // label.size, float(label.reshape(-1)[wrong]), classes)
    return valid


def _divisor(normalization: str, outer: int, inner: int, valid: int) -> int:
    return max(1, {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[normalization])


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


@task
def _loss(worker, lo, hi, probability, label, sums, classes, inner, ignored):
    """The sum of the losses of the places lo..hi."""
    total = 0.0
    for i in range(lo, hi):
        here = np.trunc(label[i])
        if here == ignored:
            continue
        p = probability[(i // inner * classes + int(here)) * inner + i % inner]
        total -= log(_FLT_MIN if p < _FLT_MIN else p)
    sums[lo // _GRAIN] = total


@task
def _gradient(worker, lo, hi, probability, label, dx, classes, factor, ignored):
    """The items lo..hi, whose classes lie next to each other."""
    factor, one = np.float32(factor), np.float32(1)
    for i in range(lo, hi):
        here = np.trunc(label[i])
        p, there = probability[i * classes : (i + 1) * classes], dx[i * classes : (i + 1) * classes]
        if here == ignored:
            there[:] = 0
            continue
        for c in range(classes):
            there[c] = p[c] * factor
        there[int(here)] = (p[int(here)] - one) * factor


@task
def _gradient_planes(worker, lo, hi, probability, label, dx, classes, inner, factor, ignored):
    """The planes lo..hi: one class at all places of an item."""
    factor, one, zero, ignored = np.float32(factor), np.float32(1), np.float32(0), np.float32(ignored)
    for q in range(lo, hi):
        item, c = q // classes, np.float32(q % classes)
        p, there = probability[q * inner : (q + 1) * inner], dx[q * inner : (q + 1) * inner]
        labels = label[item * inner : (item + 1) * inner]
        for i in range(inner):
            here = np.trunc(labels[i])
            slope = (p[i] - (one if here == c else zero)) * factor
            there[i] = zero if here == ignored else slope

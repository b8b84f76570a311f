"""ContrastiveLoss; see layers/contrastive_loss.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, empty, task
from caffelike.kernels.cuda.labels import divide
from caffelike.kernels.cuda.scalar import sqrt
from caffelike.kernels.cuda.sums import summed

_STEADY = np.float32(1e-4)  # added to the distance that the gradient divides by


def forward(
    a: Any,
    b: Any,
    similar: Any,
    weight: Any,
    loss: Any,
    difference: Any,
    margin: float,
    legacy: bool,
    class_weight: tuple[float, ...],
) -> None:
    """Pair by pair."""
    gap = empty(a.size) if difference is None else difference.reshape(-1)
    _gaps(a.size, a.reshape(-1), b.reshape(-1), gap)
    pairs = int(a.shape[0])
    squares, total = _squares_of(gap, pairs), empty(1)
    _losses(1, pairs, total, 0, squares, *_terms(similar, weight, class_weight), margin, legacy)
    divide(1, total, total, loss.reshape(-1), False, 2.0 * max(1, pairs))


def backward(
    dloss: Any,
    difference: Any,
    similar: Any,
    weight: Any,
    da: Any,
    db: Any,
    margin: float,
    legacy: bool,
    class_weight: tuple[float, ...],
) -> None:
    """The difference of each pair, scaled."""
    gap, pairs = difference.reshape(-1), int(difference.shape[0])
    slopes = empty(pairs)
    terms = _terms(similar, weight, class_weight)
    _slopes(pairs, dloss.reshape(-1), _squares_of(gap, pairs), slopes, *terms, margin, legacy, 1.0 / max(1, pairs))
    for gradient, way in ((da, 1.0), (db, -1.0)):
        if gradient is not None:
            _spread(gap.size, gap, slopes, gradient.reshape(-1), gap.size // pairs if pairs else 1, way)


def _squares_of(gap: Any, pairs: int) -> Any:
    """The squared distance of each pair."""
    squares, each = empty(pairs), gap.size // max(1, pairs)
    _squares(pairs, each, squares, 0, gap, each)
    return squares


def _terms(similar: Any, weight: Any, class_weight: tuple[float, ...]) -> tuple:
    """Which pairs are similar, their weights (if any), and the factors of those that are not and of those that are."""
    alike = similar.reshape(-1)
    other, same = class_weight or (1.0, 1.0)
    return alike, alike if weight is None else weight.reshape(-1), weight is not None, float(other), float(same)


@task
def _gaps(i, a, b, gap):
    gap[i] = a[i] - b[i]


@summed
def _squares(pair, k, gap, each):
    return gap[pair * each + k] * gap[pair * each + k]


@device
def _alike(v):
    """Whether a number, cut to a whole one, is not 0."""
    return not abs(v) < np.float32(1)


@device
def _weight(i, alike, weights, weighted, other, same):
    """What a pair's loss is multiplied by."""
    value = same if _alike(alike[i]) else other
    return value * weights[i] if weighted else value


@summed
def _losses(o, i, squares, alike, weights, weighted, other, same, margin, legacy):
    value = squares[i]
    if not _alike(alike[i]):
        value = margin - (value if legacy else sqrt(value))
        value = value if value > 0 else np.float32(0)
        value = value if legacy else value * value
    return value * _weight(i, alike, weights, weighted, other, same)


@task
def _slopes(i, dloss, squares, slopes, alike, weights, weighted, other, same, margin, legacy, share):
    slope = np.float32(1)
    if not _alike(alike[i]):
        if legacy:
            slope = np.float32(-1) if margin - squares[i] > 0 else np.float32(0)
        else:
            distance = sqrt(squares[i])
            missing = margin - distance
            slope = -(missing if missing > 0 else np.float32(0)) / (distance + _STEADY)
    slopes[i] = slope * _weight(i, alike, weights, weighted, other, same) * dloss[0] * share


@task
def _spread(i, gap, slopes, gradient, each, way):
    gradient[i] = gap[i] * (way * slopes[i // each])

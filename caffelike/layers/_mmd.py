"""What the losses between two domains share: random quadruples of items, and sums of Gaussian kernels."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape


def factors(layer: Layer, count: int, ratio: float, word: str) -> tuple[float, ...]:
    """What the kernels' widths are multiplied by: ratio^(i - count // 2). Raises ModelError, which names the field."""
    if count < 1 or ratio <= 0:
        raise layer.fail(f"{word}_num must be at least 1 and {word}_mul greater than 0.", ModelError)
    return tuple(float(ratio) ** (i - count // 2) for i in range(count))


def check_features(layer: Layer, source: Shape, target: Shape) -> None:
    """Raise ShapeError unless items of both have the same shape."""
    if len(source) < 1 or source[1:] != target[1:]:
        raise layer.fail(f"the bottoms must have the same features, but they are {source} and {target}.")


def draw(key: np.ndarray, sources: int, targets: int, quadruples: np.ndarray) -> None:
    """Fill quadruples (n, 4): two different items of the source, two of the target; both have two at least."""
    count = len(quadruples)
    draws = rng.uniform(key, 4 * count).reshape(count, 4)
    for column, items in ((0, sources), (2, targets)):
        first = (draws[:, column] * items).astype(np.int64)
        second = (draws[:, column + 1] * (items - 1)).astype(np.int64)
        quadruples[:, column], quadruples[:, column + 1] = first, second + (second >= first)


def pairs(source: np.ndarray, target: np.ndarray, quadruples: np.ndarray) -> Any:
    """(sign, (domain, items, their features), the same of the other) for each of the four kernels."""
    features = [a.reshape(len(a), -1) for a in (source, target)]
    for sign, first, second in ((1, 0, 1), (1, 2, 3), (-1, 0, 3), (-1, 1, 2)):
        yield (
            sign,
            *(
                (column // 2, quadruples[:, column], features[column // 2][quadruples[:, column]])
                for column in (first, second)
            ),
        )


def bandwidth(source: np.ndarray, target: np.ndarray) -> float:
    """One over the mean squared distance of two different items: 2 (n sum |x|^2 - |sum x|^2) / (n (n - 1))."""
    items = np.concatenate([a.reshape(len(a), -1) for a in (source, target)]).astype(np.float64)
    items -= items.mean(axis=0)
    mean = 2 * np.square(items).sum() / (len(items) - 1)
    return 1 / mean if mean > 0 else 1.0


def begin(
    source: np.ndarray,
    target: np.ndarray,
    quadruples: np.ndarray,
    scale: np.ndarray,
    key: np.ndarray,
    fixed: np.ndarray | None,
) -> bool:
    """Draw the quadruples and find the kernels' scale; False where a domain has less than two items.

    fixed (1,): the scale, and where that is written the first time, when it is negative; None: it is found anew.
    """
    quadruples[...] = -1
    if min(len(source), len(target)) < 2:
        return False
    draw(key, len(source), len(target), quadruples)
    scale[0] = bandwidth(source, target)
    if fixed is not None:
        if fixed[0] < 0:
            fixed[0] = scale[0]
        scale[0] = fixed[0]
    return True


def kernels(away: np.ndarray, scale: float, widths: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """For each row the sum of the kernels, and the factor of `away` in its slope."""
    squares = np.square(away).sum(axis=1)
    parts = [(scale * w, np.exp(-scale * w * squares)) for w in widths]
    return sum(k for _, k in parts), sum(-2 * g * k for g, k in parts)  # type: ignore[return-value]

"""MMDLoss: how differently the features of two domains are distributed."""

from typing import Any

import numpy as np

from caffelike import rng
from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("MMDLoss", param="mmd_param")
class MMDLoss(Layer):
    """loss = the mean over n random quadruples of k(s1, s2) + k(t1, t2) - k(s1, t2) - k(s2, t1).

    bottoms: source (S, ...), target (T, ...), as many features each. tops: loss, a single number.
    s1, s2 are two items of source, t1, t2 two of target; n = max(S, T). k(a, b) = sum over i of exp(-g_i |a - b|^2),
        g_i = g kernel_mul^(i - kernel_num // 2) for i = 0 .. kernel_num - 1; g = 1 / the mean squared distance of two
        different items of both. kernel_num 5, kernel_mul 2. fix_gamma false; true: g stays as in the first pass.
    The fork shows n times this number, draws other quadruples for the gradient than for the loss, and has no CPU code.
    Gradient: to both, for g held fixed; 0 where a domain has one item only.
    Errors: ModelError for options, ShapeError for bottoms of different features.
    Source: Long et al., "Learning Transferable Features with Deep Adaptation Networks", ICML 2015 (transfer-caffe);
        Gretton et al., JMLR 2012.
    """

    bottoms = ("source", "target")
    tops = ("loss",)
    loss = True
    random = True
    backward_reads = ("source", "target", "quadruples", "scale")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the kernels."""
        if p.kernel_num < 1 or p.kernel_mul <= 0:
            raise self.fail("kernel_num must be at least 1 and kernel_mul greater than 0.", ModelError)
        widths = tuple(float(p.kernel_mul) ** (i - p.kernel_num // 2) for i in range(p.kernel_num))
        self.options = {"widths": widths, "fixed": np.full(1, -1.0) if p.fix_gamma else None}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        source, target = shapes
        if len(source) < 1 or source[1:] != target[1:]:
            raise self.fail(f"the bottoms must have the same features, but they are {source} and {target}.")
        self.save("quadruples", (max(source[0], target[0]), 4), np.int64)
        self.save("scale", (1,))
        return [()]


def forward(
    source: np.ndarray,
    target: np.ndarray,
    loss: np.ndarray,
    quadruples: np.ndarray,
    scale: np.ndarray,
    key: np.ndarray,
    widths: tuple[float, ...],
    fixed: np.ndarray | None,
) -> None:
    """Draw the quadruples, find the kernels' scale, and add up."""
    count = len(quadruples)
    loss[...] = 0
    quadruples[...] = -1
    if min(len(source), len(target)) < 2:
        return
    draws = rng.uniform(key, 4 * count).reshape(count, 4)
    for column, items in ((0, len(source)), (2, len(target))):
        first = (draws[:, column] * items).astype(np.int64)
        second = (draws[:, column + 1] * (items - 1)).astype(np.int64)
        quadruples[:, column], quadruples[:, column + 1] = first, second + (second >= first)
    scale[0] = _scale(source, target)
    if fixed is not None:
        if fixed[0] < 0:
            fixed[0] = scale[0]
        scale[0] = fixed[0]
    total = 0.0
    for sign, one, other in _pairs(source, target, quadruples):
        total += sign * _kernels(one[2] - other[2], float(scale[0]), widths)[0].sum(dtype=np.float64)
    loss[...] = total / count


def backward(
    dloss: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    dsource: np.ndarray | None,
    dtarget: np.ndarray | None,
    quadruples: np.ndarray,
    scale: np.ndarray,
    widths: tuple[float, ...],
) -> None:
    """Each kernel's slope to its two items."""
    for grad in (dsource, dtarget):
        if grad is not None:
            grad[...] = 0
    if len(quadruples) == 0 or quadruples[0, 0] < 0:
        return
    for sign, one, other in _pairs(source, target, quadruples):
        away = one[2] - other[2]
        slope = (sign * float(dloss) / len(quadruples)) * _kernels(away, float(scale[0]), widths)[1][:, None] * away
        for (domain, items, _), part in ((one, slope), (other, -slope)):
            grad = (dsource, dtarget)[domain]
            if grad is not None:
                np.add.at(grad.reshape(len(grad), -1), items, part)


def _pairs(source: np.ndarray, target: np.ndarray, quadruples: np.ndarray) -> Any:
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


def _scale(source: np.ndarray, target: np.ndarray) -> float:
    """One over the mean squared distance of two different items: 2 (n sum |x|^2 - |sum x|^2) / (n (n - 1))."""
    items = np.concatenate([a.reshape(len(a), -1) for a in (source, target)]).astype(np.float64)
    items -= items.mean(axis=0)
    mean = 2 * np.square(items).sum() / (len(items) - 1)
    return 1 / mean if mean > 0 else 1.0


def _kernels(away: np.ndarray, scale: float, widths: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """For each row the sum of the kernels, and the factor of `away` in its slope."""
    squares = np.square(away).sum(axis=1)
    parts = [(scale * w, np.exp(-scale * w * squares)) for w in widths]
    return sum(k for _, k in parts), sum(-2 * g * k for g, k in parts)  # type: ignore[return-value]

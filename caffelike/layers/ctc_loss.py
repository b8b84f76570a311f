"""CTCLoss: connectionist temporal classification, for sequences whose labels have no places."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError, ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._ctc import lengths
from caffelike.layers._loss import softmax
from caffelike.registry import register


@register("CTCLoss", param="ctc_loss_param", names=["CtcLoss", "WarpCTC", "WarpCTCLoss"])
class CTCLoss(Layer):
    """loss = the mean over items of -log(sum of the probabilities of all paths that read as the item's labels).

    A path has one class a time step; it reads as its labels when equal neighbours are merged and blanks left out. The
        probability of a path is the product of softmax(x) along it.
    bottoms: x (T, N, C), scores before the softmax; the labels, in one of two layouts:
        x, labels (N, L): each row ends at its first number that is negative or the blank.
        x, cont (T, N), labels (T, N): columns, ended by the first negative number; cont is 0 where a sequence begins
        and 1 where it goes on, and tells how many time steps an item has.
    tops: loss, a single number.
    blank_label (0): the blank of the first layout. blank_index (-1: the last class): that of the second one, and of the
        first where it is given. alphabet_size, time_step (0): must be C and T where given. output_delay 0 and
        loss_calculation_t 0: refused otherwise.
    An item with more labels (and repetitions of them) than time steps has no path: it adds 0 and has no gradient.
    Gradient: to x; none to cont and labels. Errors: LabelError, ModelError for options, ShapeError for bottoms.
    Source: Graves et al., ICML 2006; the layouts of xmfbit's and Baidu's warp-ctc forks, and of ChWick's.
    """

    bottoms = ("x", "cont", "labels?")
    tops = ("loss",)
    loss = True
    no_gradient = ("cont", "labels")
    backward_reads = ("gradient",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Find the blank."""
        if p.output_delay or p.loss_calculation_t:
            raise self.fail("output_delay and loss_calculation_t are not supported.", ModelError)
        self._p = p
        self.options = {"columns": len(shapes) == 3}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number; `gradient` is that of the loss."""
        x, p = shapes[0], self._p
        if len(x) < 3:
            raise self.fail(f"needs scores (T, N, C), but '{self.message.bottom[0]}' is {x}.")
        steps, items, classes = x[0], x[1], int(np.prod(x[2:]))
        for name, given, got in (("alphabet_size", p.alphabet_size, classes), ("time_step", p.time_step, steps)):
            if given and given != got:
                raise self.fail(f"{name} is {given}, but '{self.message.bottom[0]}' is {x}.")
        wanted = [(steps, items)] * 2 if self.options["columns"] else [(items,)]
        for name, shape, want in zip(self.message.bottom[1:], shapes[1:], wanted, strict=True):
            if shape[: len(want)] != want:
                raise self.fail(f"'{name}' is {shape}, but scores {x} need {' x '.join(map(str, want))} rows.")
        last = self.options["columns"] or p.HasField("blank_index")
        blank = p.blank_index if last else p.blank_label
        self.options["blank"] = blank % classes if -classes <= blank < classes else blank
        if not 0 <= self.options["blank"] < classes:
            raise self.fail(f"the blank is {blank}, but there are {classes} classes.", ModelError)
        self.keep("gradient", x)
        return [()]


def forward(
    x: np.ndarray,
    cont: np.ndarray,
    labels: np.ndarray | None,
    loss: np.ndarray,
    gradient: np.ndarray | None,
    columns: bool,
    blank: int,
) -> None:
    """One item after the other."""
    steps, items = x.shape[:2]
    scores = x.reshape(steps, items, -1)
    given = np.asarray(labels if columns else cont).reshape(steps if columns else items, -1)
    given = given.T if columns else given
    times = lengths(cont if columns else None, steps, items)
    slopes = np.zeros_like(scores) if gradient is not None else None
    total = 0.0
    for n in range(items):
        target = _labels(given[n], scores.shape[2], blank, n)
        cost, slope = _item(scores[: times[n], n].astype(np.float64), target, blank, slopes is not None)
        total += cost
        if slopes is not None and slope is not None:
            slopes[: times[n], n] = slope / items
    loss[...] = total / max(1, items)
    if gradient is not None and slopes is not None:
        gradient[...] = slopes.reshape(gradient.shape)


def backward(dloss: np.ndarray, gradient: np.ndarray, dx: np.ndarray) -> None:
    """Forward has it."""
    np.multiply(gradient, float(dloss), out=dx)


def _labels(row: np.ndarray, classes: int, blank: int, item: int) -> np.ndarray:
    """The labels of one item up to its end. Raises LabelError."""
    whole = np.trunc(row)
    ends = np.flatnonzero((whole < 0) | (whole == blank))
    found = whole[: ends[0]] if ends.size else whole
    if (found >= classes).any():
        raise LabelError.no_class(item, float(found[found >= classes][0]), classes)
    return found.astype(np.int64)


def _item(x: np.ndarray, target: np.ndarray, blank: int, slope: bool) -> tuple[float, np.ndarray | None]:
    """-log p(target | x (T, C)) and its gradient: the softmax minus the share of each class in all paths."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    probability = np.empty_like(x)
    softmax(x, 1, probability)
    with np.errstate(divide="ignore"):
        log = np.log(probability)[:, states]
    skips = np.zeros(len(states), bool)  # a state may follow the one two before it
    skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    ahead = _paths(log, skips)
    ends = ahead[-1, -2:]
    likelihood = np.logaddexp.reduce(ends)
    if not np.isfinite(likelihood):
        return 0.0, None
    if not slope:
        return -float(likelihood), None
    behind = _paths(log[::-1, ::-1], np.append(skips[2:], [False, False])[: len(skips)][::-1])[::-1, ::-1]
    with np.errstate(invalid="ignore"):
        shares = np.exp(ahead + behind - log - likelihood)
    shares = np.where(np.isnan(shares), 0, shares)
    for state, label in enumerate(states):
        probability[:, label] -= shares[:, state]
    return -float(likelihood), probability


def _paths(log: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """(T, states): the logarithm of the probability of all beginnings of paths that are in a state at a time."""
    found = np.full(log.shape, -np.inf)
    found[0, :2] = log[0, :2]
    for t in range(1, len(log)):
        before = found[t - 1]
        one = np.append(-np.inf, before[:-1])
        two = np.where(skips, np.append([-np.inf, -np.inf], before[:-2])[: len(before)], -np.inf)
        found[t] = log[t] + np.logaddexp(np.logaddexp(before, one), two)
    return found

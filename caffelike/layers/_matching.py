"""Which prior box stands for which labelled box, and which of the others SSD learns from: see MultiBoxLoss."""

from typing import NamedTuple

import numpy as np

from caffelike.layers._ssd import best, overlaps

NONE, IGNORED = -1, -2  # instead of the number of a labelled box
LEAST = 1e-6  # boxes that overlap by no more do not overlap


class Mining(NamedTuple):
    """Which predictions count beside the matched ones.

    kind: NONE (all do), MAX_NEGATIVE, HARD_EXAMPLE. ratio: at most so many negatives a match. overlap: a negative
    overlaps each label by less. sample: how many examples HARD_EXAMPLE takes. threshold (0: off), top_k: of the
    suppression of examples that overlap a worse one.
    """

    kind: str
    ratio: float
    overlap: float
    sample: int
    threshold: float
    top_k: int


def match(boxes: np.ndarray, labelled: np.ndarray, least: float | None, inside: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each box (P, 4) the number of the labelled box (M, 4) it stands for, or NONE; and its largest overlap (P,).

    First the two that overlap most belong together, then the next two of those that are left, until each label has a
    box or none that it overlaps; then, unless `least` is None, every other box goes to the label that it overlaps most,
    if by `least` or more. Of equals the first counts. inside: boxes that reach beyond the image are IGNORED.
    """
    found = np.full(len(boxes), NONE)
    common = overlaps(boxes, labelled)
    common[common <= LEAST] = 0
    if inside:
        beyond = ((boxes < 0) | (boxes > 1)).any(axis=1)
        found[beyond], common[beyond] = IGNORED, 0
    most = common.max(axis=1, initial=0)
    free = common.copy()
    for _ in range(len(labelled)):
        box, label = np.unravel_index(int(free.argmax()), free.shape)
        if not free[box, label] > 0:
            break
        found[box], most[box] = label, common[box, label]
        free[box], free[:, label] = 0, 0
    if least is not None:
        nearest = common.argmax(axis=1)
        enough = (found == NONE) & (common.max(axis=1, initial=0) >= max(least, LEAST))
        found[enough] = nearest[enough]
    return found, most


def mine(
    matched: np.ndarray, most: np.ndarray, losses: np.ndarray, boxes: np.ndarray, how: Mining
) -> tuple[np.ndarray, np.ndarray]:
    """The matches (P,) that are left, and the numbers of the negatives chosen, in order; see Mining.

    losses: of each prediction (P,). boxes (P, 4): what the suppression compares.
    """
    if how.kind == "HARD_EXAMPLE":
        eligible, count = np.arange(len(matched)), how.sample
    else:
        eligible = np.flatnonzero((matched == NONE) & (most < how.overlap))
        count = int(np.float32((matched > NONE).sum()) * np.float32(how.ratio))
    if how.threshold > 0:
        order = best(boxes[eligible], losses[eligible], -np.inf, how.top_k, how.threshold, 1)
    else:
        order = np.argsort(-losses[eligible], kind="stable")
    chosen = np.zeros(len(matched), bool)
    chosen[eligible[order[:count]]] = True
    left = matched.copy()
    if how.kind == "HARD_EXAMPLE":
        left[(matched > NONE) & ~chosen] = NONE
    return left, np.flatnonzero(chosen & (matched == NONE))

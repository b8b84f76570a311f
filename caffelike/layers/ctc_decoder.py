"""CTCGreedyDecoder: the labels that a network trained with CTC reads."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._ctc import lengths
from caffelike.registry import register


@register("CTCGreedyDecoder", param="ctc_decoder_param", names=["CTCDecoder", "CtcDecoder"])
class CTCGreedyDecoder(Layer):
    """Takes the best class of every time step, merges equal neighbours and leaves the blanks out.

    bottoms: x (T, N, C); cont, optional, (T, N): 0 where a sequence begins, 1 where it goes on; labels, optional, (T,
        N), ended by the first negative number. tops: sequences (N, T, 1, 1), -1 behind each one's end; with a second
        bottom score (N, 1, 1, 1), minus the sum of the best numbers; with a third accuracy (1, 1, 1, 1), or score and
        accuracy: 1 - the mean of (edit distance / the longer one's length).
    blank_index (-1: the last class). ctc_merge_repeated true.
    Gradient: none. Errors: ModelError for tops and options, ShapeError for bottoms.
    Source: Graves et al., ICML 2006; ChWick's fork.
    """

    bottoms = ("x", "cont?", "labels?")
    tops = ("sequences", "second?", "third?")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Find out which tops are wanted."""
        tops = len(self.message.top)
        if tops > max(2, len(shapes)):
            raise self.fail(f"has {tops} tops for {len(shapes)} bottoms; an accuracy needs labels.", ModelError)
        self._blank = int(p.blank_index)
        self.options = {"merge": bool(p.ctc_merge_repeated)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, T, 1, 1), and what else there is."""
        x = shapes[0]
        if len(x) < 3 or any(shape[:2] != x[:2] for shape in shapes[1:]):
            raise self.fail(f"needs (T, N, C), and (T, N) for the others, but they are {', '.join(map(str, shapes))}.")
        classes = int(np.prod(x[2:]))
        if not -classes <= self._blank < classes:
            raise self.fail(f"blank_index is {self._blank}, but there are {classes} classes.", ModelError)
        self.options["blank"] = self._blank % classes
        found: list[Shape] = [(x[1], x[0], 1, 1), (x[1], 1, 1, 1), (1, 1, 1, 1)]
        if len(shapes) == 3 and len(self.message.top) < 3:
            del found[1]  # no score
        return found[: len(self.message.top)]


def forward(
    x: np.ndarray,
    cont: np.ndarray | None,
    labels: np.ndarray | None,
    sequences: np.ndarray,
    second: np.ndarray | None,
    third: np.ndarray | None,
    blank: int,
    merge: bool,
) -> None:
    """Item by item."""
    steps, items = x.shape[:2]
    scores = x.reshape(steps, items, -1)
    best = scores.argmax(axis=2)
    times = lengths(cont, steps, items)
    sequences[...] = -1
    score, accuracy = (second, third) if labels is None or third is not None else (None, second)
    wrong = 0.0
    for n, time in enumerate(times):
        path = best[:time, n]
        new = np.append(True, path[1:] != path[:-1]) if merge else np.ones(time, bool)
        found = path[new & (path != blank)]
        sequences[n, : len(found), 0, 0] = found
        if score is not None:
            score[n] = -scores[:time, n].max(axis=1).sum()
        if accuracy is not None and labels is not None:
            column = labels.reshape(steps, items)[:, n]
            ends = np.flatnonzero(column < 0)
            wanted = (column[: ends[0]] if ends.size else column) + 0.5
            longer = max(len(wanted), len(found))
            wrong += _distance(wanted.astype(np.int64), found) / longer if longer else 0
    if accuracy is not None:
        accuracy[...] = 1 - wrong / max(1, items)


def _distance(one: np.ndarray, other: np.ndarray) -> int:
    """How many labels must be put in, left out or changed."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + int(a != b))
    return row[-1]

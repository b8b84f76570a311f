"""caffe.layers.detectnet.mean_ap: how good DetectNet's boxes are."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in

_MODULE = "caffe.layers.detectnet.mean_ap"
_MOST = 50  # rows of the top
_RIGHT, _WRONG, _MISSED = 1, 2, 3


class _Scoring(PythonLayer):
    """A layer without gradient."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0


@register_stand_in(f"{_MODULE}.ScoreDetections")
class ScoreDetections(_Scoring):
    """Says of each box that was found whether it is right, and which boxes of the truth were missed.

    bottoms: truth (N, R, 5), found (N, S, 5): x1, y1, x2, y2 and a number that is not read; rows of 0 do not count.
    tops: (N, 50, 5): x1, y1, x2, y2, 1 (found, right), then 2 (found, wrong), then 3 (missed); rows of 0 behind.
    Each true box in turn takes the first found one, not yet taken, with an intersection over union of at least the
    number in param_str, 0.7.
    Gradient: none. Source: NVIDIA's fork of Caffe (DetectNet, 2016).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the threshold."""
        if len(bottom) != 2 or len(top) != 1:
            raise _options.fail(self, f"takes 2 bottoms and 1 top, not {len(bottom)} and {len(top)}.")
        try:
            self.threshold = float(self.param_str or 0.7)
        except ValueError:
            raise _options.fail(self, f"reads a number in param_str, not {self.param_str!r}.") from None

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(N, 50, 5)."""
        shapes = [blob.shape for blob in bottom]
        if any(len(shape) != 3 or shape[2] != 5 for shape in shapes) or shapes[0][0] != shapes[1][0]:
            raise _options.fail(self, f"needs two lists (N, R, 5) of as many images, but they are {shapes}.")
        top[0].reshape(shapes[0][0], _MOST, 5)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Match the boxes image by image."""
        top[0].raw_data[...] = 0
        for out, *lists in zip(top[0].raw_data, bottom[0].raw_data, bottom[1].raw_data, strict=True):
            truth, found = (rows[rows[:, :4].any(axis=1), :4] for rows in lists)
            seen, taken = np.zeros(len(truth), bool), np.zeros(len(found), bool)
            for i, box in enumerate(truth):
                fits = np.flatnonzero((_overlaps(found, box) >= self.threshold) & ~taken)
                if fits.size:
                    seen[i] = taken[fits[0]] = True
            parts = ((found[taken], _RIGHT), (found[~taken], _WRONG), (truth[~seen], _MISSED))
            rows = np.concatenate([np.column_stack([boxes, np.full(len(boxes), kind)]) for boxes, kind in parts])
            out[: len(rows[:_MOST])] = rows[:_MOST]


@register_stand_in(f"{_MODULE}.mAP")
class MeanAP(_Scoring):
    """Precision, recall and their product of what ScoreDetections says of a batch.

    bottoms: (N, R, 5), the last number 1 right, 2 wrong, 3 missed. tops: mAP (1,), precision times recall / 100;
        precision (1,), 100 right / (right + wrong); recall (1,), 100 right / (right + missed); 0 for 0 / 0.
    param_str: not read. Gradient: none. Source: NVIDIA's fork of Caffe (DetectNet, 2016).
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the counts."""
        if len(bottom) != 1 or len(top) != 3:
            raise _options.fail(self, f"takes 1 bottom and 3 tops, not {len(bottom)} and {len(top)}.")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Single numbers."""
        for blob in top:
            blob.reshape(1)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Count."""
        kinds = bottom[0].raw_data[..., 4]
        right, wrong, missed = (int(np.count_nonzero(kinds == kind)) for kind in (_RIGHT, _WRONG, _MISSED))
        precision, recall = (100 * right / max(1, right + others) for others in (wrong, missed))
        for blob, value in zip(top, (precision * recall / 100, precision, recall), strict=True):
            blob.raw_data[...] = value


def _overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of each box with one, by the distances of their corners; 0 where they do not meet."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.maximum(sides, 0).prod(axis=1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - common
    return np.where(common > 0, common / np.where(union == 0, 1, union), 0)

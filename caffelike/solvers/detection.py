"""`eval_type: "detection"`, of SSD's fork: a test's score is the mean average precision of all its batches together.

The test net's outputs are what DetectionEvaluate makes, (1, 1, rows, 5): rows (-1, class, objects, ...) say how many
objects of a class a batch has, rows (image, class, score, right, wrong) tell of one box each (neither right nor wrong:
it does not count). `eval_type: "detection_segmentation"`, of eric612's: the second output is SegmentationEvaluate's,
whose numbers are averaged over the batches.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from caffelike import log
from caffelike.errors import SolverError

EVAL_TYPES = ("detection", "detection_segmentation")
AP_VERSIONS = ("Integral", "11point", "MaxIntegral")


def check(p: Any) -> None:
    """Raise SolverError for an eval_type or ap_version that no fork has."""
    if p.eval_type not in ("classification", *EVAL_TYPES):
        raise SolverError(
            f"Unknown evaluation type: {p.eval_type}. eval_type is classification, {' or '.join(EVAL_TYPES)}."
        )
    if p.ap_version not in AP_VERSIONS:
        raise SolverError(f"Unknown ap_version: {p.ap_version}. Known are {', '.join(AP_VERSIONS)}.")


def average_precision(scores: np.ndarray, right: np.ndarray, wrong: np.ndarray, objects: float, version: str) -> float:
    """How well the boxes of one class, (n) each, find its `objects`; 0 where there are no boxes or no objects.

    version: "Integral", the area under precision over recall as it is; "MaxIntegral" (PASCAL VOC from 2010 on), under
    the highest precision at that recall or above; "11point" (VOC 2007), the mean of the latter at recalls 0, 0.1 .. 1.
    """
    if not scores.size or not objects:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits, misses = np.cumsum(right[order], dtype=np.float64), np.cumsum(wrong[order], dtype=np.float64)
    recall, precision = hits / objects, hits / (hits + misses)
    if version == "11point":
        reached = (precision[recall >= level / 10] for level in range(11))
        return sum(float(values.max(initial=0)) for values in reached) / 11
    if version == "MaxIntegral":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


class Detections:
    """Takes the outputs of a test net batch by batch; in the place of `outputs.Outputs`.

    Raises SolverError for outputs that are not DetectionEvaluate's.
    """

    def __init__(self, net: Any, p: Any):
        self._blobs = list(zip(net.outputs, net.output_blobs, strict=True))
        self._maps: Maps | None = None
        if p.eval_type == "detection_segmentation":
            if len(self._blobs) != 2:
                raise SolverError(
                    'eval_type: "detection_segmentation" needs two outputs, of DetectionEvaluate and of'
                    f" SegmentationEvaluate, but the test net's are {', '.join(net.outputs)}."
                )
            self._maps = Maps(*self._blobs.pop())
        self._version, self._each = p.ap_version, p.show_per_class_result
        self._objects: list[dict[int, float]] = [defaultdict(float) for _ in self._blobs]
        self._boxes: list[dict[int, list[np.ndarray]]] = [defaultdict(list) for _ in self._blobs]

    def add(self) -> None:
        """Take the last pass in."""
        for (name, blob), objects, boxes in zip(self._blobs, self._objects, self._boxes, strict=True):
            if blob.shape[-1:] != (5,):
                raise SolverError(
                    f'eval_type: "detection" needs rows of 5 numbers, as DetectionEvaluate makes them, but the test'
                    f" net's output '{name}' is {blob.shape}. Let other outputs end in a Silence layer."
                )
            rows = blob.raw_data.reshape(-1, 5)
            summary = rows[:, 0] == -1
            for row in rows[summary]:
                objects[int(row[1])] += float(row[2])
            found = rows[~summary & (rows[:, 3:] != 0).any(axis=1)]
            for label in np.unique(found[:, 1]):
                boxes[int(label)].append(found[found[:, 1] == label, 2:].copy())
        if self._maps:
            self._maps.add()

    def mean(self) -> np.ndarray:
        """The mean average precision of each output, over the classes that were told of; then those of `Maps`."""
        scores = np.array([self._score(*pair) for pair in zip(self._objects, self._boxes, strict=True)])
        return np.concatenate([scores, self._maps.mean()]) if self._maps else scores

    def _score(self, objects: dict[int, float], boxes: dict[int, list[np.ndarray]]) -> float:
        found = []
        for label in sorted(objects):
            if not boxes[label]:
                log.warning("solver.cpp:540", f"Missing true_pos for label: {label}")
            score, right, wrong = np.concatenate([*boxes[label], np.empty((0, 3), np.float32)]).T
            found.append(average_precision(score, right, wrong, objects[label], self._version))
            if self._each:
                log.info("solver.cpp:556", f"class{label}: {log.number(found[-1])}")
        return sum(found) / max(1, len(found))

    def lines(self, values: np.ndarray) -> Iterator[str]:
        """`#0: detection_eval = 0.77` for each output, and for each class of `Maps`."""
        names = [name for name, _ in self._blobs]
        names += [self._maps.name] * (len(values) - len(names)) if self._maps else []
        for i, (name, value) in enumerate(zip(names, values, strict=True)):
            yield f"#{i}: {name} = {log.number(value)}"

    def by_name(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The values by the outputs' names."""
        found = {name: np.array(value) for (name, _), value in zip(self._blobs, values, strict=False)}
        return {**found, self._maps.name: values[len(found) :]} if self._maps else found


class Maps:
    """Averages what SegmentationEvaluate says of each class over the batches that have pixels of it."""

    def __init__(self, name: str, blob: Any):
        self.name, self._blob = name, blob
        self._found: list[np.ndarray] = []

    def add(self) -> None:
        """Take the last pass in."""
        self._found.append(self._blob.raw_data.ravel().copy())

    def mean(self) -> np.ndarray:
        """Intersection over union of each class; -1 where no batch has a pixel of it."""
        found = np.array(self._found, np.float64)
        there = found >= 0
        mean = np.where(there, found, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        mean[~there.any(axis=0)] = -1
        log.info("solver.cpp:620", f"Seg mIOU : {log.number(mean[mean >= 0].mean() if (mean >= 0).any() else 0.0)}")
        return mean

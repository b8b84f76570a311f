"""DetectionEvaluate: which of the boxes that a detector found are right."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.data.imagelist import read_text
from caffelike.data.paths import resolve
from caffelike.errors import DataError, LabelError, ModelError
from caffelike.layer import HostLayer, Shape
from caffelike.layers import _ssd
from caffelike.registry import register


@register("DetectionEvaluate", param="detection_evaluate_param")
class DetectionEvaluate(HostLayer):
    """A row for each class, then one for each box found; `eval_type: "detection"` makes a mean average precision of it.

    bottoms: found (1, 1, K, 7) of DetectionOutput; truth (1, 1, boxes, 8) of AnnotatedData. tops: rows (1, 1, R, 5):
        -1, label, how many objects, -1, -1 for each class but the background; then item, label, score, right, wrong,
        by item, by label, the best first. Right (1, 0): the box of its label that it overlaps most, by at least
        overlap_threshold 0.5, is no better one's; (0, 0), it does not count: that box is difficult.
    num_classes. background_label_id 0. evaluate_difficult_gt true: difficult boxes count like others.
    name_size_file: lines `name height width`, in the order of the images: boxes are compared in whole pixels, borders
        included, not as shares of the image. resize_param is refused.
    Gradient: none. Errors: ModelError; ShapeError for other shapes; LabelError for a box of the background; FileError
        and DataError for the file.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork).
    """

    bottoms = ("found", "truth")
    tops = ("rows",)
    no_gradient = ("found", "truth")
    folder: str = ""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the options."""
        p = self.message.detection_evaluate_param
        if not p.num_classes:
            raise self.fail("needs detection_evaluate_param { num_classes: ... }.", ModelError)
        if not p.overlap_threshold > 0:
            raise self.fail(f"overlap_threshold must be above 0, not {p.overlap_threshold:g}.", ModelError)
        if p.HasField("resize_param"):
            raise self.fail("resize_param is not supported; boxes are shares of the image anyway.", ModelError)
        self._sizes: np.ndarray | None = None
        self._image = 0
        self._labels = [c for c in range(p.num_classes) if c != p.background_label_id]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the bottoms; how many rows there are is known in forward."""
        for name, blob, width in zip(self.message.bottom, bottom, (7, 8), strict=True):
            if not blob.shape or blob.shape[-1] != width:
                raise self.fail(f"'{name}' must be (1, 1, boxes, {width}), but is {blob.shape}.")
        top[0].reshape(1, 1, len(self._labels), 5)

    def declared(self, tops: int) -> list[Shape | None]:
        """Without any box."""
        return [(1, 1, len(self._labels), 5)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """One image after the other, one label after the other."""
        p = self.message.detection_evaluate_param
        found, truth = bottom[0].raw_data.reshape(-1, 7), bottom[1].raw_data.reshape(-1, 8)
        found, truth = found[found[:, 0] != -1], truth[truth[:, 0] != -1]
        wrong = truth[truth[:, 1] == p.background_label_id]
        if len(wrong):
            item, label = int(wrong[0, 0]), int(wrong[0, 1])
            text = f"A box of item {item} of the batch has label {label}, which is the background's."
            raise LabelError(text, item, label, p.num_classes)
        counts = truth if p.evaluate_difficult_gt else truth[truth[:, 7] == 0]
        rows = [[-1, label, float((counts[:, 1] == label).sum()), -1, -1] for label in self._labels]
        parts = [np.array(rows, np.float32).reshape(-1, 5)]
        for item in np.unique(found[:, 0]):
            size = self._next_size() if p.name_size_file else None
            mine, its = found[found[:, 0] == item], truth[truth[:, 0] == item]
            for label in np.unique(mine[:, 1]):
                if label != -1:
                    parts.append(self._judged(mine[mine[:, 1] == label], its[its[:, 1] == label], size))
        every = np.concatenate(parts)
        top[0].reshape(1, 1, *every.shape)
        top[0].raw_data[0, 0] = every

    def _judged(self, found: np.ndarray, truth: np.ndarray, size: np.ndarray | None) -> np.ndarray:
        """The rows of one label's boxes (K, 7) in an image that has the boxes truth (M, 8)."""
        p = self.message.detection_evaluate_param
        found = found[np.argsort(-found[:, 2], kind="stable")]
        rows = np.concatenate([found[:, :3], np.tile([0.0, 1.0], (len(found), 1))], axis=1)
        if not len(truth):
            return rows.astype(np.float32)
        boxes, wanted = found[:, 3:7], truth[:, 3:7]
        if size is not None:
            boxes, wanted = (_pixels(one, size) for one in (boxes, wanted))
        shares = _ssd.overlaps(boxes, wanted)
        taken: set[int] = set()
        for row, share in zip(rows, shares, strict=True):
            best = int(share.argmax())
            if share[best] < np.float32(p.overlap_threshold):
                continue
            if truth[best, 7] and not p.evaluate_difficult_gt:
                row[3:] = 0, 0
            elif best not in taken:
                taken.add(best)
                row[3:] = 1, 0
        return rows.astype(np.float32)

    def _next_size(self) -> np.ndarray:
        """(width, height) of the next image in the list."""
        if self._sizes is None:
            path = resolve(self.message.detection_evaluate_param.name_size_file, self.folder)
            lines = [line.split() for line in read_text(path, "list of sizes").splitlines() if line.strip()]
            try:
                self._sizes = np.array([[int(words[-1]), int(words[-2])] for words in lines], np.float32)
            except (ValueError, IndexError):
                raise DataError(f"{path} must hold lines `name height width`.") from None
            if not len(self._sizes):
                raise DataError(f"{path} is empty; it must hold lines `name height width`.")
        size = self._sizes[self._image % len(self._sizes)]
        self._image += 1
        return size


def _pixels(boxes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes, cut at the image's borders, in pixels; their last pixels are counted in."""
    scaled = np.clip(boxes, 0, 1) * np.tile(size, 2)
    scaled[:, 2:] += 1
    return scaled

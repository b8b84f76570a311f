"""DetectionOutput: what a single-shot detector has found, from its raw predictions."""

import os
from collections.abc import Sequence

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.detections import ResultFiles
from caffelike.data.paths import resolve
from caffelike.errors import ModelError
from caffelike.layer import HostLayer
from caffelike.layers import _ssd
from caffelike.registry import register


@register("DetectionOutput", param="detection_output_param")
class DetectionOutput(HostLayer):
    """Decodes boxes, keeps for each class those with good scores that are no doubles, and the best of all.

    bottoms: loc (N, 4 P) or, without share_location, (N, 4 P num_classes); conf (N, P num_classes), scores of each
        class; priors (1, 2, 4 P) of PriorBox; data, optional: the images, which the fork draws into. tops: found
        (1, 1, K, 7): item, label, score, xmin, ymin, xmax, ymax (shares of the image), by item, by label, the best
        first; one row (item, -1, ...) an item if nothing is found.
    num_classes. share_location true: one box for all classes. background_label_id 0: never found (-1: none).
    code_type CORNER, CENTER_SIZE or CORNER_SIZE; variance_encoded_in_target false. confidence_threshold: scores must be
        above it (default: any). nms_param: nms_threshold 0.3, top_k (of a class, before suppression; -1: all), eta 1.
        keep_top_k (of an image; -1: all). clip false: boxes may reach beyond the image; true: they end at its border
        (a field of OpenCV's, which its face detector has).
    save_output_param: with output_directory, label_map_file and name_size_file (lines `name height width`, in the order
        of the images) what is found is written whenever num_test_image (default: all of the list) images are through;
        output_name_prefix and output_format (VOC, COCO, ILSVRC): see caffelike/data/detections.py. Where one of the two
        files is not there, nothing is written, with a warning.
    visualize, visualize_threshold and save_file draw in the fork, transform_param says how the pictures were made; here
        they are ignored, visualize with a warning: `caffelike detect` shows what is found.
    Gradient: none. Errors: ModelError for impossible options, ShapeError for bottoms that do not fit the priors,
        FileError and DataError for the files of save_output_param.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork); clip: OpenCV.
    """

    bottoms = ("loc", "conf", "priors", "data?")
    tops = ("found",)
    no_gradient = ("loc", "conf", "priors", "data")
    honours = ("transform_param", "resize_param")
    folder: str = ""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the options."""
        p = self.message.detection_output_param
        if not p.num_classes:
            raise self.fail("needs num_classes.", ModelError)
        if p.nms_param.nms_threshold < 0 or not 0 < p.nms_param.eta <= 1:
            raise self.fail("nms_param: nms_threshold must not be negative, and eta above 0 and at most 1.", ModelError)
        if p.visualize:
            log.logger.warning("Layer '%s': visualize is ignored; `caffelike detect` shows what is found.", self.name)
        self._files = self._result_files()

    def _result_files(self) -> ResultFiles | None:
        """What save_output_param asks for; None: nothing is to be written, or cannot be."""
        p = self.message.detection_output_param
        save = p.save_output_param
        if not (save.output_directory and save.label_map_file and save.name_size_file):
            return None
        names, sizes = (resolve(path, self.folder) for path in (save.label_map_file, save.name_size_file))
        if missing := [path for path in (names, sizes) if not os.path.isfile(path)]:
            log.logger.warning(
                "Layer '%s': save_output_param names %s, which is not there: nothing will be written.",
                self.name, missing[0],
            )  # fmt: skip
            return None
        labels = [label for label in range(p.num_classes) if label != p.background_label_id]
        try:
            return ResultFiles(save, labels, names, sizes)
        except ModelError as error:
            raise self.fail(str(error), ModelError) from None

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the bottoms; the top's third size is known in forward."""
        loc, conf, priors = (blob.shape for blob in bottom[:3])
        p = self.message.detection_output_param
        count = int(np.prod(priors)) // 8
        boxes = count * (1 if p.share_location else p.num_classes)
        for name, shape, wanted in (("loc", loc, 4 * boxes), ("conf", conf, count * p.num_classes)):
            if int(np.prod(shape[1:])) != wanted or shape[0] != loc[0]:
                raise self.fail(
                    f"{count} priors and {p.num_classes} classes need {name} of ({loc[0]}, {wanted}), but it is"
                    f" {shape}."
                )
        top[0].reshape(1, 1, 1, 7)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """One image after the other."""
        p = self.message.detection_output_param
        boxes, variances = _ssd.split_priors(bottom[2].raw_data)
        items = bottom[0].shape[0]
        classes = 1 if p.share_location else p.num_classes
        loc = bottom[0].raw_data.reshape(items, len(boxes), classes, 4).transpose(0, 2, 1, 3)
        conf = bottom[1].raw_data.reshape(items, len(boxes), p.num_classes)
        decoded = _ssd.decoded(loc, boxes, None if p.variance_encoded_in_target else variances, p.code_type)
        if p.clip:
            decoded = np.clip(decoded, 0, 1)
        rows = [self._found(item, decoded[item], conf[item]) for item in range(items)]
        if self._files is not None:
            for of_item in rows:
                self._files.add(of_item)
        found = np.concatenate(rows)
        if not len(found):
            found = np.full((items, 7), -1, np.float32)
            found[:, 0] = np.arange(items)
        top[0].reshape(1, 1, len(found), 7)
        top[0].raw_data[...] = found

    def _found(self, item: int, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The rows (K, 7) of one image; boxes (1 or classes, P, 4), scores (P, classes)."""
        p = self.message.detection_output_param
        least = p.confidence_threshold if p.HasField("confidence_threshold") else -np.inf
        top_k = p.nms_param.top_k if p.nms_param.HasField("top_k") else -1
        parts = [np.empty((0, 7), np.float32)]
        for label in range(p.num_classes):
            if label == p.background_label_id:
                continue
            of_class, score = boxes[label if len(boxes) > 1 else 0], np.ascontiguousarray(scores[:, label])
            kept = _ssd.best(of_class, score, least, top_k, p.nms_param.nms_threshold, p.nms_param.eta)
            head = np.column_stack([np.full(len(kept), item), np.full(len(kept), label), score[kept]])
            parts.append(np.concatenate([head, of_class[kept]], axis=1).astype(np.float32))
        rows = np.concatenate(parts)
        if -1 < p.keep_top_k < len(rows):
            rows = rows[np.sort(np.argsort(-rows[:, 2], kind="stable")[: p.keep_top_k])]
        return rows

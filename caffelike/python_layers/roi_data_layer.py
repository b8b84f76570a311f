"""roi_data_layer.layer.RoIDataLayer: images with their boxes, one a pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import rng
from caffelike.blob import Blob
from caffelike.data import roidb
from caffelike.data.resize import resize
from caffelike.errors import DataError
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options, _sampling
from caffelike.registry import register_stand_in

_MEANS = (102.9801, 115.9465, 122.7717)


@register_stand_in("roi_data_layer.layer.RoIDataLayer", "pylayer.mnc_data_layer.MNCDataLayer")
class RoIDataLayer(PythonLayer):
    """An image of a roidb in each pass, in an order drawn anew every epoch.

    tops, by name, in any number: data (1, 3, H, W), BGR less `means`; im_info (1, 3): H, W, scale; gt_boxes (G, 5): x1,
        y1, x2, y2, class, in pixels of data. For Fast R-CNN, which has its regions in the roidb: rois (R, 5), labels
        (R,), bbox_targets, bbox_inside_weights, bbox_outside_weights (R, 4 C); bbox_loss_weights, the older name of the
        inside ones. For MNC: mask_info (G, 2), rows and columns of the objects' masks, each cut to its box in the image
        as it was read; gt_masks is then (G, the most rows, columns). For Mask R-CNN: gt_masks (G, H, W), 1 on the
        object; gt_keypoints (G, K, 3): x, y in pixels of
        data, and above 0 for a point that is known.
    The roidb is given by `caffelike.data.roidb.set_roidb(net, records)`, by this layer's own set_roidb, or named in
    param_str: source: a JSON file (see caffelike.data.roidb.read_roidb).
    param_str: num_classes C, required, background included. What py-faster-rcnn keeps in its own configuration may be
        given too: scales (600,), the shorter side's length, one of them drawn for an image; max_size 1000, the longer
        side's most; means 102.9801, 115.9465, 122.7717; shuffle True; and ProposalTargetLayer's for drawing regions
        (batch_size 128, ...; targets' means there is target_means here). keypoints 0: K, where gt_keypoints is a top.
    Errors: DataError for records that are none, or where no roidb is given by the first pass.
    Source: Girshick, "Fast R-CNN", ICCV 2015; py-faster-rcnn; MNC's MNCDataLayer.
    """

    seed: int = 0
    folder: str = ""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options; until there are data the tops are shaped as for one image of the largest size."""
        sampling = dict(_sampling.DEFAULTS)
        sampling["target_means"] = sampling.pop("means")
        self.options = _options.read(
            self,
            num_classes=None,
            source="",
            scales=(600,),
            max_size=1000,
            means=_MEANS,
            shuffle=True,
            keypoints=0,
            **sampling,
        )
        options, width = self.options, 4 * self.options["num_classes"]
        shapes = {
            # rounded up to what nets whose branches meet again after five halvings (PVANet) need
            "data": (1, 3, -(-max(options["scales"]) // 32) * 32, -(-options["max_size"] // 32) * 32),
            "im_info": (1, 3),
            "gt_boxes": (1, 5),
            "gt_keypoints": (1, options["keypoints"], 3),
            "rois": (1, 5),
            "labels": (1,),
            "bbox_targets": (1, width),
            "bbox_inside_weights": (1, width),
            "bbox_outside_weights": (1, width),
            "bbox_loss_weights": (1, width),
        }
        shapes["gt_masks"], shapes["mask_info"] = (1, *shapes["data"][2:]), (1, 2)
        self._tops = list(self.layer_param.top)
        for name, blob in zip(self._tops, top, strict=True):
            if name not in shapes:
                raise _options.fail(self, f"makes {', '.join(shapes)}, but a top is called '{name}'.")
            blob.reshape(*shapes[name])
        self._records: list[roidb.Record] = []
        self._order = np.zeros(0, np.int64)
        self._passes = 0

    def set_roidb(self, records: Sequence[roidb.Record]) -> None:
        """Read these records from the next pass on."""
        self._records, self._order, self._passes = roidb.checked(records), np.zeros(0, np.int64), 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The tops get their shapes in forward."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The next image."""
        if not self._records:
            if not self.options["source"]:
                raise DataError(
                    f"Layer '{self.name}' (Python): RoIDataLayer has no data. Give it some:"
                    " caffelike.data.roidb.set_roidb(net, records), or 'source': 'FILE.json' in its param_str."
                )
            self.set_roidb(roidb.read_roidb(self.options["source"], self.folder))
        count = len(self._records)
        epoch, place = divmod(self._passes, count)
        if place == 0 or not self._order.size:
            self._order = np.arange(count)
            if self.options["shuffle"]:
                self._order = rng.generator(self.seed, self.name, epoch).permutation(count)
        draw = rng.generator(self.seed, f"{self.name}/regions", self._passes)
        self._passes += 1
        made = self._batch(self._records[self._order[place]], draw)
        for name, blob in zip(self._tops, top, strict=True):
            blob.reshape(*made[name].shape)
            blob.raw_data[...] = made[name]

    def _batch(self, record: roidb.Record, draw: np.random.Generator) -> dict[str, Any]:
        """All tops by name."""
        options = self.options
        pixels = roidb.pixels_of(record).astype(np.float32) - np.array(options["means"], np.float32)
        short, long = sorted(pixels.shape[:2])
        scale = draw.choice(options["scales"]) / short
        if round(scale * long) > options["max_size"]:
            scale = options["max_size"] / long
        height, width = (max(1, round(n * scale)) for n in pixels.shape[:2])
        pixels = resize(pixels, height, width, scale)
        boxes, classes = record["boxes"] * np.float32(scale), record["gt_classes"]
        truth = np.column_stack([boxes, classes])[classes > 0].astype(np.float32)
        made = {
            "data": pixels.transpose(2, 0, 1)[None],
            "im_info": np.array([[height, width, scale]], np.float32),
            "gt_boxes": truth,
        }
        objects = np.flatnonzero(classes > 0)
        if "mask_info" in self._tops:
            made["gt_masks"], made["mask_info"] = roidb.cut_masks_of(record, objects)
        elif "gt_masks" in self._tops:
            made["gt_masks"] = roidb.masks_of(record, objects, scale, height, width)
        if "gt_keypoints" in self._tops:
            made["gt_keypoints"] = self._keypoints(record, objects, scale)
        if not set(self._tops) <= set(made):
            names = {**options, "means": options["target_means"]}
            rois = np.insert(boxes, 0, 0, axis=1)
            found = _sampling.sample(rois, truth, options["num_classes"], names, draw)
            made |= {"rois": found.rois, "labels": found.labels, "bbox_targets": found.targets}
            for name in ("inside_weights", "outside_weights", "loss_weights"):
                made[f"bbox_{name}"] = found.inside
        return made

    def _keypoints(self, record: roidb.Record, objects: np.ndarray, scale: float) -> np.ndarray:
        """(objects, K, 3)."""
        wanted = (len(record["boxes"]), self.options["keypoints"], 3)
        points = np.asarray(record.get("keypoints", ()), np.float32)
        if points.shape != wanted:
            raise DataError(
                f"Layer '{self.name}' (Python): RoIDataLayer needs keypoints {wanted} in a record of the roidb, but"
                f" they are {points.shape}."
            )
        return points[objects] * np.array([scale, scale, 1], np.float32)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Data have no gradient."""

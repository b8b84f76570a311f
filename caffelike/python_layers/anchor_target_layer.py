"""rpn.anchor_target_layer.AnchorTargetLayer: what a region proposal network should say about each anchor."""

from collections.abc import Sequence

import numpy as np

from caffelike import rng
from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("rpn.anchor_target_layer.AnchorTargetLayer", "pylayer.anchor_target_layer.AnchorTargetLayer")
class AnchorTargetLayer(PythonLayer):
    """Labels anchors 1 (object), 0 (background) or -1 (does not count), and tells how objects' anchors should move.

    bottoms: scores (1, 2 A, H, W), for their shape; gt_boxes (G, 5 or more): x1, y1, x2, y2, class; info (1, 3): the
        image's height, width and scale; data, not read, or MNC's two of numbers of anchors, counted place by place,
        that are objects' and background whatever else is true. tops: labels (1, 1, A H, W); targets (1, 4 A, H, W);
        inside (1, 4 A, H, W), 1 for an object's anchor; outside, of that shape: 1 / the number of anchors that count.
    Anchors that reach beyond the image do not count. One is an object's if it overlaps a box (intersection over union)
    by positive_overlap 0.7 or more, or most of all anchors; background if it overlaps all boxes by less than
    negative_overlap 0.3. Of batch_size 256 anchors drawn at random at most fg_fraction 0.5 are objects'.
    param_str: feat_stride, required; scales 8, 16, 32; ratios 0.5, 1, 2; base_size 16, allowed_border 0 (pixels), and
        what is named above.
    Gradient: none. Source: Ren et al., "Faster R-CNN", NIPS 2015; py-faster-rcnn, and MNC's Faster R-CNN.
    """

    seed: int = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        self.options = _options.read(
            self,
            feat_stride=None,
            scales=_rpn.SCALES,
            ratios=_rpn.RATIOS,
            base_size=16,
            allowed_border=0,
            positive_overlap=0.7,
            negative_overlap=0.3,
            batch_size=256,
            fg_fraction=0.5,
        )
        if not 3 <= len(bottom) <= 5 or len(top) != 4:
            raise _options.fail(self, f"takes 3 to 5 bottoms and 4 tops, not {len(bottom)} and {len(top)}.")
        options = self.options
        self._base = _rpn.base_anchors(options["base_size"], options["ratios"], options["scales"])
        self._passes = 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The tops' shapes follow the scores'."""
        shape, count = bottom[0].shape, len(self._base)
        if len(shape) != 4 or shape[0] != 1 or shape[1] != 2 * count:
            raise _options.fail(
                self,
                f"has {count} anchors at a place and needs one image's scores (1, {2 * count}, H, W), but they are"
                f" {shape}.",
            )
        height, width = shape[2:]
        top[0].reshape(1, 1, count * height, width)
        for blob in top[1:]:
            blob.reshape(1, 4 * count, height, width)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Label, draw, and spread over the map."""
        height, width = bottom[0].shape[2:]
        options, count = self.options, len(self._base)
        image_height, image_width = bottom[2].raw_data.reshape(-1)[:2]
        truth = _options.rows(bottom[1])[:, :4]
        anchors = _rpn.all_anchors(self._base, height, width, options["feat_stride"])
        border = options["allowed_border"]
        limit = np.array([image_width + border, image_height + border])
        inside = np.flatnonzero((anchors[:, :2] >= -border).all(axis=1) & (anchors[:, 2:] < limit).all(axis=1))
        labels = np.full(len(anchors), -1, np.float32)
        targets = np.zeros((len(anchors), 4), np.float32)
        draw = rng.generator(self.seed, self.name, self._passes)
        self._passes += 1
        if len(truth):
            common = _rpn.overlaps(anchors[inside], truth)
            labels[inside] = self._label(common, draw)
            targets[inside] = _rpn.moves(anchors[inside], truth[common.argmax(axis=1)])
        else:
            labels[inside] = self._label(np.zeros((len(inside), 1), np.float32), draw)
        if len(bottom) == 5:
            for label, blob in ((0, bottom[4]), (1, bottom[3])):
                labels[np.intersect1d(blob.raw_data.astype(np.int64), inside)] = label
        counts = np.repeat((labels >= 0)[:, None], 4, axis=1) / np.float32(max(1, int(np.count_nonzero(labels >= 0))))
        chosen = np.repeat((labels == 1)[:, None], 4, axis=1)
        top[0].raw_data[0, 0] = labels.reshape(height, width, count).transpose(2, 0, 1).reshape(-1, width)
        others: list[np.ndarray] = [targets, chosen, counts]
        for blob, values in zip(top[1:], others, strict=True):
            blob.raw_data[0] = values.reshape(height, width, 4 * count).transpose(2, 0, 1)

    def _label(self, common: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """1, 0 or -1 for each row of the overlaps (anchors, boxes)."""
        options = self.options
        labels = np.full(len(common), -1, np.float32)
        if not len(common):
            return labels
        most = common.max(axis=1)
        best = common.max(axis=0)
        labels[most < options["negative_overlap"]] = 0
        labels[((common == best) & (best > 0)).any(axis=1)] = 1
        labels[most >= options["positive_overlap"]] = 1
        objects = int(options["fg_fraction"] * options["batch_size"])
        for label, wanted in ((1, lambda: objects), (0, lambda: options["batch_size"] - np.sum(labels == 1))):
            places = np.flatnonzero(labels == label)
            extra = len(places) - int(wanted())
            if extra > 0:
                labels[draw.choice(places, extra, replace=False)] = -1
        return labels

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient."""

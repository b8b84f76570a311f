"""rpn.proposal_target_layer.ProposalTargetLayer: draws proposals to train on, and what should be said about them."""

from collections.abc import Sequence

import numpy as np

from caffelike import rng
from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options, _sampling
from caffelike.registry import register_stand_in


@register_stand_in("rpn.proposal_target_layer.ProposalTargetLayer")
class ProposalTargetLayer(PythonLayer):
    """Draws regions among the proposals and the true boxes; labels them, and tells how objects' should move.

    bottoms: proposals (K, 5); gt_boxes (G, 5 or more): x1, y1, x2, y2, class, then attributes. tops: rois (R, 5, 1, 1);
        labels (R, 1, 1, 1), 0 for background; targets (R, 4 C, 1, 1), in the four channels of the class; inside, of
        that shape, 1 for those four; outside, the same; attributes (R, 1, 1, 1), if a sixth top is given: the first one
        of the object, ignore_label where there is none.
    A region is an object's if it overlaps it (intersection over union) by fg_thresh 0.5 or more, background if it
    overlaps all by bg_thresh_lo 0 to below bg_thresh_hi 0.5. Of batch_size 128 (-1: all, as OHEM wants them) at most
    fg_fraction 0.25 are objects'. Targets are less means (0, 0, 0, 0), divided by stds (0.1, 0.1, 0.2, 0.2).
    param_str: num_classes C, required, background included, 2 where objects share their targets; num_attr_classes 0,
        num_rel_classes 0, use_attr_labels False; ignore_label -1; and what is named above.
    Gradient: none. Source: Ren et al., "Faster R-CNN", NIPS 2015; py-faster-rcnn, py-R-FCN, bottom-up attention.
    """

    seed: int = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        self.options = _options.read(
            self,
            num_classes=None,
            num_attr_classes=0,
            num_rel_classes=0,
            use_attr_labels=False,
            ignore_label=-1,
            **_sampling.DEFAULTS,
        )
        most = 6 if self.options["num_attr_classes"] else 5
        if len(bottom) < 2 or not 3 <= len(top) <= most:
            raise _options.fail(self, f"takes 2 bottoms and 5 tops, not {len(bottom)} and {len(top)}.")
        self._passes = 0
        classes = self.options["num_classes"]
        rows = max(1, self.options["batch_size"])  # until there are proposals, as many as will be drawn
        for blob, channels in zip(top, (5, 1, 4 * classes, 4 * classes, 4 * classes, 1), strict=False):
            blob.reshape(rows, channels, 1, 1)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The tops get their shapes in forward."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Draw."""
        proposals = bottom[0].raw_data.reshape(-1, 5)
        truth = _options.rows(bottom[1])
        if (proposals[:, 0] != 0).any():
            raise _options.fail(self, "takes one image at a time, but there are regions of further ones.")
        rois = np.concatenate([proposals, np.insert(truth[:, :4], 0, 0, axis=1)])
        draw = rng.generator(self.seed, self.name, self._passes)
        self._passes += 1
        found = _sampling.sample(rois, truth, self.options["num_classes"], self.options, draw)
        attributes = np.full(len(found.rois), self.options["ignore_label"], np.float32)
        if truth.shape[1] > 5:
            first = np.where(truth[:, 5] > 0, truth[:, 5], self.options["ignore_label"])
            attributes = np.where(found.boxes >= 0, first[found.boxes], attributes)
        values = (found.rois, found.labels, found.targets, found.inside, found.inside, attributes)
        for blob, array in zip(top, values, strict=False):
            blob.reshape(len(array), array.shape[1] if array.ndim > 1 else 1, 1, 1)
            blob.raw_data[...] = array.reshape(blob.shape)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient: the proposals are taken as given."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0

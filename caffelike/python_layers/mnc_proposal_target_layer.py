"""pylayer.proposal_target_layer.ProposalTargetLayer: draws the regions that MNC's Faster R-CNN trains on."""

from collections.abc import Sequence

import numpy as np

from caffelike import rng
from caffelike.blob import Blob
from caffelike.layers import _rpn
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _cascade, _options, _sampling
from caffelike.registry import register_stand_in


@register_stand_in("pylayer.proposal_target_layer.ProposalTargetLayer")
class MNCProposalTargetLayer(PythonLayer):
    """Draws regions among the proposals and the true boxes; labels them, and tells how objects' should move.

    bottoms: proposals (K, 5); gt_boxes (G, 5): x1, y1, x2, y2, class; info, not read. tops: rois (R, 5), objects'
        first; labels (R,), 0 for background; targets (R, 4 C), in the four channels of the class; inside, of that
        shape, 1 for those four; outside, the same. MNC's cascade has more. Bottoms: gt_masks, mask_info, see
        RoIDataLayer; index (1, K), the proposals' anchors. Tops: mask_targets (R, 1, 21, 21), the object's mask in the
        region, from 0.4 on; mask_weight, 1 for objects' regions; gt_masks_info (R, 12), see `_cascade.describe`;
        fg_inds, bg_inds: the anchors of the proposals among objects' regions and the others.
    Of batch_size 64 at most a share of fg_fraction (0.3,) are objects', which overlap one (intersection over union) by
        fg_thresh_lo (0.5,) to fg_thresh_hi (1,). Of the rest shares of bg_fraction (0.85, 0.15) overlap all of them by
        at most bg_thresh_lo (0.1, 0) to bg_thresh_hi (0.5, 0.1). Targets are less means (0, 0, 0, 0), divided by stds
        (0.1, 0.1, 0.2, 0.2).
    param_str: num_classes C, required, background included; bp_all True; and what MNC keeps in its own configuration,
        named above.
    Gradient: to the proposals that were drawn that of rois; with bp_all false to objects' alone.
    Source: Dai, He and Sun, "Instance-aware semantic segmentation via multi-task network cascades", CVPR 2016 (MNC).
    """

    seed: int = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        self.options = _options.read(
            self,
            num_classes=None,
            bp_all=True,
            batch_size=64,
            fg_fraction=(0.3,),
            fg_thresh_lo=(0.5,),
            fg_thresh_hi=(1.0,),
            bg_fraction=(0.85, 0.15),
            bg_thresh_lo=(0.1, 0.0),
            bg_thresh_hi=(0.5, 0.1),
            means=_sampling.DEFAULTS["means"],
            stds=_sampling.DEFAULTS["stds"],
        )
        if (len(bottom), len(top)) not in ((2, 5), (3, 5), (5, 8), (6, 10)):
            raise _options.fail(
                self, f"takes 3, 5 or 6 bottoms with 5, 8 or 10 tops, not {len(bottom)} with {len(top)}."
            )
        self._passes = 0
        self._kept = np.zeros(0, np.int64)
        width, rows = 4 * self.options["num_classes"], self.options["batch_size"]
        masks = [(rows, 1, _cascade.SIZE, _cascade.SIZE)] * 2
        shapes = [(rows, 5), (rows,), *[(rows, width)] * 3, *masks, (rows, 12), (rows,), (rows,)]
        for blob, shape in zip(top, shapes, strict=False):
            blob.reshape(*shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The tops get their shapes in forward."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Draw objects, then background."""
        options = self.options
        proposals, truth = bottom[0].raw_data.reshape(-1, 5), _options.rows(bottom[1])
        if (proposals[:, 0] != 0).any():
            raise _options.fail(self, "takes one image at a time, but there are regions of further ones.")
        rois = np.concatenate([proposals, np.insert(truth[:, :4], 0, 0, axis=1)])
        common = _rpn.overlaps(rois[:, 1:], truth[:, :4]) if len(truth) else np.zeros((len(rois), 1), np.float32)
        most, nearest = common.max(axis=1), common.argmax(axis=1)
        draw = rng.generator(self.seed, self.name, self._passes)
        self._passes += 1
        objects = self._drawn(most, "fg", options["batch_size"], draw) if len(truth) else np.zeros(0, np.int64)
        others = self._drawn(most, "bg", options["batch_size"] - len(objects), draw)
        found = _sampling.describe(rois, truth, objects, others, nearest, options["num_classes"], options)
        self._kept = np.concatenate([objects, others]) if options["bp_all"] else objects
        values = [found.rois, found.labels, found.targets, found.inside, found.inside]
        if len(top) > 5:
            near = nearest[np.concatenate([objects, others])]
            scale = float(bottom[2].raw_data.reshape(-1)[2])
            values += _cascade.describe(
                found.rois[:, 1:], truth[:, :4], near, found.labels, bottom[3].raw_data, bottom[4].raw_data, scale
            )
        if len(top) > 8:
            anchors = bottom[5].raw_data.reshape(-1)
            values += [anchors[part[part < len(anchors)]] for part in (objects, others)]
        for blob, array in zip(top, values, strict=True):
            blob.reshape(*array.shape)
            blob.raw_data[...] = array

    def _drawn(self, most: np.ndarray, kind: str, count: int, draw: np.random.Generator) -> np.ndarray:
        """Up to `count` regions, in their order, by the shares and bounds of `kind`."""
        words = (self.options[f"{kind}_{word}"] for word in ("fraction", "thresh_lo", "thresh_hi"))
        parts = [
            _sampling.some(np.flatnonzero((most >= low) & (most <= high)), int(np.rint(count * share)), draw)
            for share, low, high in zip(*words, strict=True)
        ]
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """To the proposals among the regions."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
        if propagate_down[0]:
            slopes = bottom[0].raw_diff.reshape(-1, 5)
            places = np.flatnonzero(self._kept < len(slopes))
            slopes[self._kept[places]] = top[0].raw_diff[places]

"""Proposal: the regions of an image that are likely to hold an object."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.errors import ModelError
from caffelike.layer import HostLayer, Shape
from caffelike.layers import _rpn
from caffelike.registry import register


@register("Proposal", param="proposal_param")
class Proposal(HostLayer):
    """Moves anchors as the region proposal network says, and keeps the best that are no doubles.

    bottoms: scores (N, 2 A, H, W), the second half of the channels those of an object; deltas (N, 4 A, H, W): of each
        anchor dx, dy in its sizes and the logarithms of what its width and height grow by; info (N, 3) or (N, 4): each
        image's height, width and scale (perhaps one scale for each). tops: rois (R, 5): item, x1, y1, x2, y2, the best
        first, R at most post_nms_topn an item; probs (R, 1), their scores, if a second top is given.
    feat_stride 16: pixels between anchors. base_size 16, ratio (0.5, 1, 2, where none is given), scale (8, 16, 32): A =
        ratios x scales anchors at each place. min_size 16: a proposal with a side below it, times the image's
        scale, counts with a score of 0.
        pre_nms_topn 6000, post_nms_topn 300: how many of the best are compared, and kept. nms_thresh 0.7: a proposal
        that overlaps a better one by more (intersection over union) is dropped.
    Gradient: none.
    Errors: ShapeError for bottoms that do not fit the anchors, ModelError for impossible options.
    Source: Ren et al., "Faster R-CNN", NIPS 2015; the C++ layer of PVANet's, Intel's and happynear's forks. The
        Python class ProposalLayer leaves small proposals out instead.
    """

    bottoms = ("scores", "deltas", "info")
    tops = ("rois", "probs?")
    no_gradient = ("scores", "deltas", "info")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the options and make the anchors."""
        p = self.message.proposal_param
        if not (p.feat_stride and p.base_size and p.pre_nms_topn and p.post_nms_topn):
            raise self.fail("feat_stride, base_size, pre_nms_topn and post_nms_topn must be at least 1.", ModelError)
        if any(not r > 0 for r in (*p.ratio, *p.scale)):
            raise self.fail("every ratio and scale must be above 0.", ModelError)
        self._base = _rpn.base_anchors(p.base_size, tuple(p.ratio) or _rpn.RATIOS, tuple(p.scale) or _rpn.SCALES)
        for blob, shape in zip(top, ((1, 5), (1, 1)), strict=False):
            blob.reshape(*shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the bottoms; the tops get their shapes in forward."""
        scores, deltas, info = (b.shape for b in bottom)
        count = len(self._base)
        wanted: list[tuple[str, Shape, Shape]] = []
        if len(scores) == 4:
            wanted = [
                ("scores", scores, (scores[0], 2 * count, *scores[2:])),
                ("deltas", deltas, (scores[0], 4 * count, *scores[2:])),
            ]
        for word, shape, expected in wanted or [("scores", scores, (1, 2 * count, 0, 0))]:
            if shape != expected:
                raise self.fail(f"{word} are {shape}, but {count} anchors at a place need {expected}.")
        if int(np.prod(info)) not in (3 * scores[0], 4 * scores[0]):
            raise self.fail(f"info must be ({scores[0]}, 3): height, width, scale; but it is {info}.")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """One image after the other."""
        p = self.message.proposal_param
        scores, deltas, info = (b.raw_data for b in bottom)
        count = len(self._base)
        anchors = _rpn.all_anchors(self._base, scores.shape[2], scores.shape[3], p.feat_stride)
        rows, probs = [], []
        for item, image in enumerate(info.reshape(scores.shape[0], -1)):
            places, boxes, ranked = _rpn.chosen(
                _rpn.by_place(scores[item, count:], 1)[:, 0],
                _rpn.by_place(deltas[item], 4),
                anchors,
                (image[0], image[1]),
                p.min_size * np.array([image[-1], image[2]], np.float32),
                p.pre_nms_topn,
                p.post_nms_topn,
                p.nms_thresh,
                drop_small=False,
            )
            rows.append(np.insert(boxes[places], 0, item, axis=1))
            probs.append(ranked[places, None])
        for blob, values in zip(top, (np.concatenate(rows), np.concatenate(probs)), strict=False):
            blob.reshape(*values.shape)
            blob.raw_data[...] = values

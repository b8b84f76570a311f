"""R-FCN with ResNet-50: every part of a region has maps of its own; trained on the regions that it errs about most."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import two_stage
import writing
from two_stage import LEARN, NOWHERE, Form

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

CELLS, HARD = 7, 128  # parts of a region along each side; regions that count
BOXES = 2  # background's, and that of an object of any class
GAUSSIAN = {"weight_filler": {"type": "gaussian", "std": 0.01}, "param": LEARN}


def net(train: bool, form: Form | None = None) -> Any:
    """data, im_info -> rois, cls_prob, bbox_pred (R, 8); for training images with their boxes, and four losses."""
    n, form = NetSpec(), form or Form()
    two_stage.images(n, form, train)
    middle = two_stage.residual(n, n.data, form)
    top = two_stage.stage(n, middle, 5, form, dilation=2)
    all_regions = replace(form, regions={"batch_size": -1, **form.regions})
    rois = two_stage.region_proposals(n, middle, form.channels(512), all_regions, train, kinds=BOXES)
    top = n.conv_new_1 = L.Convolution(top, num_output=form.channels(1024), kernel_size=1, **GAUSSIAN)
    n.conv_new_1_relu = L.ReLU(top, in_place=True)
    answers(n, top, rois, form, train)
    return two_stage.named(n, "RFCN_ResNet50")


def answers(n: NetSpec, top: Any, rois: Any, form: Form, train: bool, cells: int = CELLS, hard: int = HARD) -> None:
    """Maps of their own for each part of a region, pooled and averaged; for training the losses of the `hard` worst."""
    n.rfcn_cls = L.Convolution(top, num_output=form.classes * cells**2, kernel_size=1, **GAUSSIAN)
    n.rfcn_bbox = L.Convolution(top, num_output=4 * BOXES * cells**2, kernel_size=1, **GAUSSIAN)
    for name, maps, count, votes, mean in (
        ("cls", n.rfcn_cls, form.classes, "ave_cls_score_rois", "cls_score"),
        ("loc", n.rfcn_bbox, 4 * BOXES, "ave_bbox_pred_rois", "bbox_pred" if train else "bbox_pred_pre"),
    ):
        pooled = n[f"psroipooled_{name}_rois"] = L.PSROIPooling(
            maps, rois, spatial_scale=1 / form.stride, output_dim=count, group_size=cells
        )
        n[mean] = L.Pooling(pooled, name=votes, pool=P.Pooling.AVE, kernel_size=cells, stride=cells)
    if train:
        _losses(n, rois, hard)
    else:
        n.cls_prob_pre = L.Softmax(n.cls_score, name="cls_prob")
        n.cls_prob = L.Reshape(n.cls_prob_pre, name="cls_prob_reshape", shape={"dim": [-1, form.classes]})
        n.bbox_pred = L.Reshape(n.bbox_pred_pre, name="bbox_pred_reshape", shape={"dim": [-1, 4 * BOXES]})


def _losses(n: NetSpec, rois: Any, hard: int) -> None:
    """Each region's loss first; those with the largest ones keep their labels and learn."""
    n.temp_loss_cls, n.temp_prob_cls, n.per_roi_loss_cls = L.SoftmaxWithLossOHEM(
        n.cls_score, n.labels, name="per_roi_loss_cls", ntop=3, loss_weight=[0] * 3, propagate_down=[False] * 2
    )
    n.temp_loss_bbox, n.per_roi_loss_bbox = L.SmoothL1LossOHEM(
        n.bbox_pred,
        n.bbox_targets,
        n.bbox_inside_weights,
        name="per_roi_loss_bbox",
        ntop=2,
        loss_weight=[0] * 2,
        propagate_down=[False] * 3,
    )
    n.per_roi_loss = L.Eltwise(n.per_roi_loss_cls, n.per_roi_loss_bbox, propagate_down=[False] * 2)
    n.labels_ohem, n.bbox_loss_weights_ohem = L.BoxAnnotatorOHEM(
        rois,
        n.per_roi_loss,
        n.labels,
        n.bbox_inside_weights,
        name="annotator_detector",
        ntop=2,
        roi_per_img=hard,
        ignore_label=-1,
        propagate_down=[False] * 4,
    )
    n.silence = L.Silence(n.bbox_outside_weights, n.temp_loss_cls, n.temp_prob_cls, n.temp_loss_bbox, ntop=0)
    n.loss_cls = L.SoftmaxWithLoss(
        n.cls_score, n.labels_ohem, name="loss", loss_weight=1, loss_param={"ignore_label": -1}, **NOWHERE
    )
    n.accuracy = L.Accuracy(n.cls_score, n.labels_ohem, ignore_label=-1, propagate_down=[False] * 2)
    n.loss_bbox = L.SmoothL1LossOHEM(
        n.bbox_pred,
        n.bbox_targets,
        n.bbox_loss_weights_ohem,
        loss_weight=1,
        loss_param={"normalization": P.Loss.PRE_FIXED, "pre_fixed_normalizer": hard},
        propagate_down=[True, False, False],
    )


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

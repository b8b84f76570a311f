"""Mask R-CNN with ResNet-50: the fifth stage looks at each region; a mask, and key-points, beside class and box."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import two_stage
import writing
from two_stage import LEARN, NOWHERE, Form

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

CELLS, MASK, POINT_CELLS, MAP = 7, 14, 14, 56  # a side: of a region, its mask, the region for key-points, their maps
DEPTH = 8  # convolutions of the key-points' head
COCO = {"source": "coco_2014_train.json", "scales": [800], "max_size": 1333}
MSRA = {"weight_filler": {"type": "msra"}}


def aligned(n: NetSpec, name: str, top: Any, rois: Any, cells: int, form: Form) -> Any:
    """Regions of the map, nothing rounded."""
    n[name] = L.ROIAlign(top, rois, pooled_h=cells, pooled_w=cells, spatial_scale=1 / form.stride)
    return n[name]


def doubled(n: NetSpec, name: str, bottom: Any, channels: int) -> Any:
    """Deconvolution to twice the size."""
    n[name] = L.Deconvolution(
        bottom, convolution_param={"num_output": channels, "kernel_size": 2, "stride": 2, **MSRA}, param=LEARN
    )
    return n[name]


def mask_head(n: NetSpec, top: Any, form: Form, train: bool) -> None:
    """mask_prob (R, classes, 14, 14): how likely each cell is the object's, were the region's class this one."""
    top = doubled(n, "mask_deconv", top, form.channels(256))
    n.mask_relu = L.ReLU(top, in_place=True)
    n.mask_score = L.Convolution(top, num_output=form.classes, kernel_size=1, param=LEARN, **MSRA)
    if train:
        n.loss_mask = L.SigmoidCrossEntropyLoss(
            n.mask_score,
            n.mask_targets,
            loss_weight=1,
            loss_param={"ignore_label": -1, "normalization": P.Loss.VALID},
            **NOWHERE,
        )
    else:
        n.mask_prob = L.Sigmoid(n.mask_score)


def keypoint_head(n: NetSpec, top: Any, points: int, form: Form, depth: int, train: bool) -> None:
    """keypoint_prob (R, points, 56 x 56): in which cell of the region each point lies."""
    for i in range(1, depth + 1):
        top = n[f"keypoint_conv{i}"] = L.Convolution(
            top, num_output=form.channels(512), kernel_size=3, pad=1, param=LEARN, **MSRA
        )
        n[f"keypoint_relu{i}"] = L.ReLU(top, in_place=True)
    top = doubled(n, "keypoint_deconv", top, points)
    upscale = {"kernel_size": 4, "stride": 2, "pad": 1, "group": points, "bias_term": False}
    n.keypoint_map = L.Deconvolution(
        top,
        convolution_param={"num_output": points, **upscale, "weight_filler": {"type": "bilinear"}},
        param=[{"lr_mult": 0, "decay_mult": 0}],
    )
    if train:
        n.keypoint_score = L.Reshape(n.keypoint_map, shape={"dim": [-1, MAP * MAP]})
        n.loss_keypoint = L.SoftmaxWithLoss(
            n.keypoint_score, n.keypoint_targets, loss_weight=1, loss_param={"ignore_label": -1}, **NOWHERE
        )
    else:
        n.keypoint_score = L.Reshape(n.keypoint_map, shape={"dim": [0, 0, MAP * MAP]})
        n.keypoint_prob = L.Softmax(n.keypoint_score, axis=2)


def net(train: bool, form: Form, points: int = 0, depth: int = DEPTH) -> Any:
    """data, im_info -> rois, cls_prob, bbox_pred, mask_prob, and keypoint_prob where there are `points`.

    For training images with boxes, masks and points; the losses of all these and of the region proposal network.
    """
    n = NetSpec()
    two_stage.images(n, form, train, ("gt_masks", "gt_keypoints") if points else ("gt_masks",))
    middle = two_stage.residual(n, n.data, form)
    rois = two_stage.region_proposals(n, middle, form.channels(1024), form, train)
    top = two_stage.stage(n, aligned(n, "roi_align", middle, rois, CELLS, form), 5, form)
    n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    two_stage.answers(n, n.pool5, form, train)
    inside = rois
    if train:
        names = ["mask_rows", "mask_rois", "mask_targets", *(["keypoint_targets"] if points else [])]
        truth = [n.gt_boxes, n.gt_masks, *([n.gt_keypoints] if points else [])]
        options = {"num_classes": form.classes, "mask_size": MASK, "map_size": MAP}
        tops = two_stage.python(
            "mask_rcnn.mask_target_layer", "MaskTargetLayer", len(names), options,
            rois, n.labels, *truth, layer="mask-data",
        )  # fmt: skip
        for name, made in zip(names, tops, strict=True):
            n[name] = made
        inside, top = n.mask_rois, L.BatchReindex(top, n.mask_rows)
        n.mask_features = top
    mask_head(n, top, form, train)
    if points:
        regions = aligned(n, "keypoint_align", middle, inside, POINT_CELLS, form)
        keypoint_head(n, regions, points, form, depth, train)
    elif train:
        n.silence = L.Silence(n.mask_rois, ntop=0)
    return two_stage.named(n, "MaskRCNN_ResNet50")


def published(train: bool, classes: int, points: int = 0) -> Any:
    """As for COCO: images of 800 pixels, anchors of five sizes."""
    data = COCO | ({"source": "person_keypoints_2014_train.json", "keypoints": points} if points else {})
    regions = {"batch_size": 64}
    form = Form(classes, side=(800, 1088), scales=(2, 4, 8, 16, 32), data=data, regions=regions)
    return net(train, form, points)


if __name__ == "__main__":
    files = {
        "train.prototxt": published(train=True, classes=81),
        "deploy.prototxt": published(train=False, classes=81),
        "keypoints_train.prototxt": published(train=True, classes=2, points=17),
        "keypoints_deploy.prototxt": published(train=False, classes=2, points=17),
    }
    writing.save(__file__, files)

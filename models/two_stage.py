"""Detectors in two stages, for the define.py of each: regions of an image that may hold something, then what they hold.

Layers are called as in py-faster-rcnn, so that weights published for it are found by their names.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

LEARN = [{"lr_mult": 1}, {"lr_mult": 2}]  # weight, bias
STILL = [{"lr_mult": 0, "decay_mult": 0}] * 2
NOWHERE = {"propagate_down": [True, False]}  # a loss has a gradient to the scores, none to the labels
SOURCE = "voc_2007_trainval.json"


@dataclass(frozen=True)
class Form:
    """Sizes of a detector; without any, those published for Pascal VOC.

    classes: background included. share: of the published channels of the convolutions that each has. blocks: of each
    stage of a residual net. hidden: outputs of the full layers. still: the first convolutions keep the weights that
    they are given. side: height and width of deploy's images. stride: pixels of the image for one of the map; scales,
    ratios: of the anchors. data, proposals, regions: more options for RoIDataLayer, ProposalLayer and
    ProposalTargetLayer.
    """

    classes: int = 21
    share: float = 1
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    hidden: int = 4096
    still: bool = True
    side: tuple[int, int] = (600, 800)
    stride: int = 16
    scales: tuple[float, ...] = (8, 16, 32)
    ratios: tuple[float, ...] = (0.5, 1, 2)
    data: dict[str, Any] = field(default_factory=lambda: {"source": SOURCE})
    proposals: dict[str, Any] = field(default_factory=dict)
    regions: dict[str, Any] = field(default_factory=dict)

    @property
    def anchors(self) -> int:
        """At each place of the map."""
        return len(self.scales) * len(self.ratios)

    def channels(self, count: int) -> int:
        """What is left of `count` channels."""
        return round(count * self.share)


Body = Callable[[NetSpec, Any, Form], Any]  # (net, data, form) -> the map


def convolution(
    n: NetSpec, bottom: Any, name: str, channels: int, size: int, still: bool = False, **options: Any
) -> Any:
    """Convolution, padded, and ReLU behind it: relu1_1 behind conv1_1."""
    top = n[name] = L.Convolution(
        bottom, num_output=channels, kernel_size=size, pad=size // 2, weight_filler={"type": "msra"},
        param=STILL if still else LEARN, **options,
    )  # fmt: skip
    n[name.replace("conv", "relu")] = L.ReLU(top, in_place=True)
    return top


def vgg16(n: NetSpec, top: Any, form: Form) -> Any:
    """VGG-16's convolutions; the first four keep their weights."""
    groups = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for group, (channels, count) in enumerate(groups, 1):
        for i in range(1, count + 1):
            still = form.still and group <= 2
            top = convolution(n, top, f"conv{group}_{i}", form.channels(channels), 3, still)
        if group < len(groups):
            top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    return top


def zf(n: NetSpec, top: Any, form: Form) -> Any:
    """ZFNet's convolutions, padded, with normalisation inside of each channel."""
    for i, (channels, size) in enumerate(((96, 7), (256, 5), (384, 3), (384, 3), (256, 3)), 1):
        top = convolution(n, top, f"conv{i}", form.channels(channels), size, stride=2 if i <= 2 else 1)
        if i <= 2:
            top = n[f"norm{i}"] = L.LRN(top, local_size=3, alpha=5e-5, beta=0.75, norm_region=P.LRN.WITHIN_CHANNEL)
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1)
    return top


def fixed(
    n: NetSpec, bottom: Any, name: str, channels: int, size: int, form: Form, still: bool = False, **options: Any
) -> Any:
    """Convolution, with the BatchNorm and Scale that it was trained with, which do not change any more.

    name: 2a_branch1 for layers res2a_branch1, bn2a_branch1 and scale2a_branch1. still: nor do the weights. Where a form
    learns all (its `still` is False), there are no statistics to go by, and Scale alone is behind it: it
    makes pixels, and what blocks add up, small.
    """
    first = name == "conv1"
    middle = "_conv1" if first else name
    pad = size // 2 * options.get("dilation", 1)
    param = (LEARN if not still else STILL)[: 2 if first else 1]
    top = n["conv1" if first else f"res{name}"] = L.Convolution(
        bottom, num_output=channels, kernel_size=size, pad=pad, bias_term=first, weight_filler={"type": "msra"},
        param=param, **options,
    )  # fmt: skip
    if form.still:
        n[f"bn{middle}"] = L.BatchNorm(top, in_place=True, use_global_stats=True, param=STILL[:1] * 3)
    begin = {} if form.still else {"filler": {"type": "constant", "value": 1 / 64 if first else 0.5}}
    n[f"scale{middle}"] = L.Scale(top, in_place=True, bias_term=True, param=STILL if form.still else LEARN, **begin)
    return top


def stage(n: NetSpec, top: Any, number: int, form: Form, stride: int = 1, dilation: int = 1) -> Any:
    """Stage 2, 3, 4 or 5 of a residual net: blocks of 1x1, 3x3 and 1x1 convolutions with a shortcut around them."""
    inside, out = (form.channels(count << (number - 2)) for count in (64, 256))
    still = form.still and number == 2
    for i in range(form.blocks[number - 2]):
        name, step = f"{number}{'abcdef'[i]}", stride if i == 0 else 1
        shortcut, branch = top, f"{name}_branch"
        if i == 0:
            shortcut = fixed(n, top, f"{branch}1", out, 1, form, still, stride=step)
        top = fixed(n, top, f"{branch}2a", inside, 1, form, still, stride=step)
        n[f"res{branch}2a_relu"] = L.ReLU(top, in_place=True)
        top = fixed(n, top, f"{branch}2b", inside, 3, form, still, dilation=dilation)
        n[f"res{branch}2b_relu"] = L.ReLU(top, in_place=True)
        top = fixed(n, top, f"{branch}2c", out, 1, form, still)
        top = n[f"res{name}"] = L.Eltwise(shortcut, top)
        n[f"res{name}_relu"] = L.ReLU(top, in_place=True)
    return top


def residual(n: NetSpec, top: Any, form: Form) -> Any:
    """A residual net as far as its fourth stage, a place for 16 x 16 pixels, or for fewer if the form's stride is."""
    top = fixed(n, top, "conv1", form.channels(64), 7, form, form.still, stride=2)
    n.conv1_relu = L.ReLU(top, in_place=True)
    top = n.pool1 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for number in (2, 3, 4):
        top = stage(n, top, number, form, stride=2 if number > 2 and 2**number <= form.stride else 1)
    return top


def python(module: str, name: str, tops: int, options: dict[str, Any], *bottoms: Any, layer: str) -> Any:
    """A layer of py-faster-rcnn; `layer` is what it is called in the net."""
    return L.Python(*bottoms, ntop=tops, name=layer, module=module, layer=name, param_str=str(options))


def images(n: NetSpec, form: Form, train: bool, more: tuple[str, ...] = ()) -> None:
    """data (1, 3, H, W), im_info (1, 3): its height, width and scale; for training gt_boxes (G, 5), and `more`, too."""
    if train:
        options = {"num_classes": form.classes, **form.data}
        names = ("data", "im_info", "gt_boxes", *more)
        tops = python("roi_data_layer.layer", "RoIDataLayer", len(names), options, layer="input-data")
        for name, top in zip(names, tops, strict=True):
            n[name] = top
    else:
        n.data = L.Input(shape={"dim": [1, 3, *form.side]})
        n.im_info = L.Input(shape={"dim": [1, 3]})


def region_proposals(n: NetSpec, top: Any, channels: int, form: Form, train: bool, kinds: int | None = None) -> Any:
    """The region proposal network on the map `top` -> rois (R, 5).

    For training with its two losses, and with labels, bbox_targets, bbox_inside_weights and bbox_outside_weights for
    the regions, of which some are drawn. kinds: of boxes, 2 where all classes share theirs; else one for each class.
    """
    filler = {"weight_filler": {"type": "gaussian", "std": 0.01}, "param": LEARN}
    own = {"feat_stride": form.stride, "scales": list(form.scales), "ratios": list(form.ratios)}
    hidden = n["rpn/output"] = L.Convolution(
        top, name="rpn_conv/3x3", num_output=channels, kernel_size=3, pad=1, **filler
    )
    n["rpn_relu/3x3"] = L.ReLU(hidden, in_place=True)
    n.rpn_cls_score = L.Convolution(hidden, num_output=2 * form.anchors, kernel_size=1, **filler)
    n.rpn_bbox_pred = L.Convolution(hidden, num_output=4 * form.anchors, kernel_size=1, **filler)
    n.rpn_cls_score_reshape = L.Reshape(n.rpn_cls_score, shape={"dim": [0, 2, -1, 0]})
    if train:
        n.rpn_labels, n.rpn_bbox_targets, n.rpn_bbox_inside_weights, n.rpn_bbox_outside_weights = python(
            "rpn.anchor_target_layer", "AnchorTargetLayer", 4, own,
            n.rpn_cls_score, n.gt_boxes, n.im_info, n.data, layer="rpn-data",
        )  # fmt: skip
        n.rpn_cls_loss = L.SoftmaxWithLoss(
            n.rpn_cls_score_reshape, n.rpn_labels, name="rpn_loss_cls", loss_weight=1,
            loss_param={"ignore_label": -1}, **NOWHERE,
        )  # fmt: skip
        n.rpn_loss_bbox = L.SmoothL1Loss(
            n.rpn_bbox_pred, n.rpn_bbox_targets, n.rpn_bbox_inside_weights, n.rpn_bbox_outside_weights,
            loss_weight=1, sigma=3,
        )  # fmt: skip
    n.rpn_cls_prob = L.Softmax(n.rpn_cls_score_reshape)
    n.rpn_cls_prob_reshape = L.Reshape(n.rpn_cls_prob, shape={"dim": [0, 2 * form.anchors, -1, 0]})
    found = python(
        "rpn.proposal_layer", "ProposalLayer", 1, own | form.proposals,
        n.rpn_cls_prob_reshape, n.rpn_bbox_pred, n.im_info, layer="proposal",
    )  # fmt: skip
    if not train:
        n.rois = found
        return n.rois
    n.rpn_rois = found
    options = {"num_classes": kinds or form.classes, **form.regions}
    n.rois, n.labels, n.bbox_targets, n.bbox_inside_weights, n.bbox_outside_weights = python(
        "rpn.proposal_target_layer", "ProposalTargetLayer", 5, options, n.rpn_rois, n.gt_boxes, layer="roi-data"
    )
    return n.rois


def answers(n: NetSpec, top: Any, form: Form, train: bool) -> None:
    """cls_prob (R, classes) and bbox_pred (R, 4 classes) of each region from what is in it; for training the losses."""
    for name, count, std in (("cls_score", form.classes, 0.01), ("bbox_pred", 4 * form.classes, 0.001)):
        n[name] = L.InnerProduct(top, num_output=count, weight_filler={"type": "gaussian", "std": std}, param=LEARN)
    if train:
        n.loss_cls = L.SoftmaxWithLoss(n.cls_score, n.labels, loss_weight=1, **NOWHERE)
        n.loss_bbox = L.SmoothL1Loss(
            n.bbox_pred, n.bbox_targets, n.bbox_inside_weights, n.bbox_outside_weights, loss_weight=1
        )
    else:
        n.cls_prob = L.Softmax(n.cls_score)


def full_layers(n: NetSpec, top: Any, rois: Any, form: Form, train: bool, pool: tuple[str, str, int]) -> None:
    """Regions of `top`, pooled, through two full layers to the answers. pool: the layer, its top, cells a side."""
    layer, name, cells = pool
    top = n[name] = L.ROIPooling(top, rois, name=layer, pooled_h=cells, pooled_w=cells, spatial_scale=1 / form.stride)
    for i in (6, 7):
        top = n[f"fc{i}"] = L.InnerProduct(top, num_output=form.hidden, weight_filler={"type": "xavier"}, param=LEARN)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        n[f"drop{i}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    answers(n, top, form, train)


def named(n: NetSpec, name: str) -> Any:
    """The definition."""
    message = n.to_proto()
    message.name = name
    return message


def faster_rcnn(
    name: str, body: Body, channels: int, pool: tuple[str, str, int], train: bool, form: Form | None = None
) -> Any:
    """Faster R-CNN with full layers. channels: of the hidden layer that proposes; pool: see full_layers."""
    n, form = NetSpec(), form or Form()
    images(n, form, train)
    top = body(n, n.data, form)
    rois = region_proposals(n, top, form.channels(channels), form, train)
    full_layers(n, top, rois, form, train, pool)
    return named(n, name)

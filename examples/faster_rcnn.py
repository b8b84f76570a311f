"""Teaches a small Faster R-CNN, or an R-FCN with hard examples, to find coloured shapes: a minute on two cores.

usage: python examples/faster_rcnn.py [--head rcnn|rfcn] [--iterations 600] [--folder FOLDER] [--seed 0]

Makes 20 images of circles, squares and triangles, writes train.prototxt, test.prototxt and solver.prototxt into FOLDER
(a temporary one), trains on the images, looks for the shapes in them, and prints the average precision of each class
and their mean (at an overlap of 0.5, as Pascal VOC counts it).

Source: Ren et al., "Faster R-CNN", NIPS 2015; Dai et al., "R-FCN", NIPS 2016.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.data.roidb import set_roidb

CLASSES = ("background", "circle", "square", "triangle")
SIZE, STRIDE, CELLS = 96, 8, 3  # pixels of an image; of a place of the feature map; cells a side of a pooled region
SCALES, RATIOS = [1.25, 1.75, 2.5], [1.0]  # anchors of 20, 28 and 40 pixels
MEANS, STDS = (127.0, 127.0, 127.0), (0.1, 0.1, 0.2, 0.2)  # of pixels; of the moves of boxes


# Images -------------------------------------------------------------------------------------------------------------


def shapes(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """A roidb of `count` images of 96 x 96 pixels with one to three shapes each, which do not touch.

    Each has its mask, and three key-points: the middles of its top, of its whole, and of its bottom.
    """
    rng = np.random.default_rng(seed)
    return [_picture(rng) for _ in range(count)]


def _picture(rng: np.random.Generator) -> dict[str, Any]:
    image = Image.fromarray(rng.integers(90, 150, (SIZE, SIZE, 3), dtype=np.uint8))
    boxes, classes, masks, points = [], [], [], []
    for _ in range(rng.integers(1, 4)):
        side = int(rng.integers(20, 41))
        x, y = (int(n) for n in rng.integers(0, SIZE - side, 2))
        box = (x, y, x + side - 1, y + side - 1)
        if any(box[0] <= b[2] and b[0] <= box[2] and box[1] <= b[3] and b[1] <= box[3] for b in boxes):
            continue
        kind = int(rng.integers(1, len(CLASSES)))
        colour = tuple(int(n) for n in rng.choice([20, 235], 3))
        mask = Image.new("1", image.size)
        middle = (box[0] + box[2]) // 2
        for draw, fill in ((ImageDraw.Draw(image), colour), (ImageDraw.Draw(mask), 1)):
            if CLASSES[kind] == "circle":
                draw.ellipse(box, fill=fill)
            elif CLASSES[kind] == "square":
                draw.rectangle(box, fill=fill)
            else:
                draw.polygon([(box[0], box[3]), (box[2], box[3]), (middle, box[1])], fill=fill)
        boxes.append(box)
        classes.append(kind)
        masks.append(np.asarray(mask))
        points.append([(middle, y, 1) for y in (box[1], (box[1] + box[3]) // 2, box[3])])
    pixels = np.asarray(image)[:, :, ::-1].copy()
    return {"image": pixels, "boxes": boxes, "gt_classes": classes, "masks": masks, "keypoints": points}


# Nets ---------------------------------------------------------------------------------------------------------------


def net(head: str, train: bool) -> str:
    """The definition, with the head "rcnn" (Faster R-CNN) or "rfcn" (R-FCN, trained on hard examples)."""
    n = NetSpec()
    if train:
        options = {"num_classes": len(CLASSES), "scales": [SIZE], "max_size": SIZE, "means": MEANS}
        n.data, n.im_info, n.gt_boxes = _python("roi_data_layer.layer", "RoIDataLayer", 3, options)
    else:
        n.data = L.Input(input_param={"shape": {"dim": [1, 3, SIZE, SIZE]}})
        n.im_info = L.Input(input_param={"shape": {"dim": [1, 3]}})
    x = n.data
    for i, (width, stride) in enumerate(((16, 2), (32, 2), (48, 2), (64, 1)), 1):
        n[f"conv{i}"] = _conv(x, width, 3, stride=stride, std=None)
        x = n[f"relu{i}"] = L.ReLU(n[f"conv{i}"], in_place=True)

    anchors = len(SCALES) * len(RATIOS)
    own = {"feat_stride": STRIDE, "scales": SCALES, "ratios": RATIOS}
    n.rpn_conv = _conv(x, 64, 3, std=None)
    n.rpn_relu = L.ReLU(n.rpn_conv, in_place=True)
    n.rpn_cls_score = _conv(n.rpn_relu, 2 * anchors, 1)
    n.rpn_bbox_pred = _conv(n.rpn_relu, 4 * anchors, 1)
    n.rpn_cls_score_reshape = L.Reshape(n.rpn_cls_score, shape={"dim": [0, 2, -1, 0]})
    if train:
        n.rpn_labels, n.rpn_targets, n.rpn_inside, n.rpn_outside = _python(
            "rpn.anchor_target_layer", "AnchorTargetLayer", 4, own, n.rpn_cls_score, n.gt_boxes, n.im_info, n.data
        )
        n.rpn_loss_cls = L.SoftmaxWithLoss(
            n.rpn_cls_score_reshape, n.rpn_labels, loss_weight=1, loss_param={"ignore_label": -1}
        )
        n.rpn_loss_bbox = L.SmoothL1Loss(
            n.rpn_bbox_pred, n.rpn_targets, n.rpn_inside, n.rpn_outside, loss_weight=1, sigma=3
        )
    n.rpn_cls_prob = L.Softmax(n.rpn_cls_score_reshape)
    n.rpn_cls_prob_reshape = L.Reshape(n.rpn_cls_prob, shape={"dim": [0, 2 * anchors, -1, 0]})
    kept = {"min_size": 8, "post_nms_top_n": 100 if train else 40}
    n.rpn_rois = _python(
        "rpn.proposal_layer", "ProposalLayer", 1, own | kept, n.rpn_cls_prob_reshape, n.rpn_bbox_pred, n.im_info
    )
    rois = n.rpn_rois
    if train:
        drawn = {"num_classes": 2 if head == "rfcn" else len(CLASSES), "batch_size": -1 if head == "rfcn" else 64}
        n.rois, n.labels, n.bbox_targets, n.bbox_inside, n.bbox_outside = _python(
            "rpn.proposal_target_layer", "ProposalTargetLayer", 5, drawn, n.rpn_rois, n.gt_boxes
        )
        rois = n.rois
    (_rfcn if head == "rfcn" else _rcnn)(n, x, rois, train)
    return f'name: "{head}"\n{n.to_proto()}'


def _rcnn(n: NetSpec, x: Any, rois: Any, train: bool) -> None:
    """Regions pooled, a hidden layer, and boxes for each class."""
    n.pool = L.ROIPooling(x, rois, pooled_h=2 * CELLS, pooled_w=2 * CELLS, spatial_scale=1 / STRIDE)
    n.fc = L.InnerProduct(n.pool, num_output=128, weight_filler={"type": "xavier"})
    n.fc_relu = L.ReLU(n.fc, in_place=True)
    for name, count, std in (("cls_score", len(CLASSES), 0.01), ("bbox_pred", 4 * len(CLASSES), 0.001)):
        n[name] = L.InnerProduct(n.fc_relu, num_output=count, weight_filler={"type": "gaussian", "std": std})
    if train:
        n.loss_cls = L.SoftmaxWithLoss(n.cls_score, n.labels, loss_weight=1)
        n.loss_bbox = L.SmoothL1Loss(n.bbox_pred, n.bbox_targets, n.bbox_inside, n.bbox_outside, loss_weight=1)
    else:
        n.cls_prob = L.Softmax(n.cls_score)


def _rfcn(n: NetSpec, x: Any, rois: Any, train: bool) -> None:
    """Maps of their own for each cell of a region, pooled and averaged; one box for all classes."""
    for name, count in (("cls_score", len(CLASSES)), ("bbox_pred", 8)):
        n[f"{name}_maps"] = _conv(x, count * CELLS * CELLS, 1)
        n[f"{name}_cells"] = L.PSROIPooling(
            n[f"{name}_maps"], rois, output_dim=count, group_size=CELLS, spatial_scale=1 / STRIDE
        )
        n[name] = L.Pooling(n[f"{name}_cells"], pool=P.Pooling.AVE, global_pooling=True)
    if not train:
        n.cls_prob = L.Softmax(n.cls_score)
        return
    no, silent = {"propagate_down": [False] * 2}, []
    n.all_loss_cls, n.all_prob, n.each_loss_cls = L.SoftmaxWithLossOHEM(
        n.cls_score, n.labels, ntop=3, loss_weight=[0] * 3, **no
    )
    n.all_loss_bbox, n.each_loss_bbox = L.SmoothL1LossOHEM(
        n.bbox_pred, n.bbox_targets, n.bbox_inside, ntop=2, loss_weight=[0] * 2, propagate_down=[False] * 3
    )
    silent += [n.all_loss_cls, n.all_prob, n.all_loss_bbox, n.bbox_outside]
    n.each_loss = L.Eltwise(n.each_loss_cls, n.each_loss_bbox, **no)
    n.hard_labels, n.hard_weights = L.BoxAnnotatorOHEM(
        rois, n.each_loss, n.labels, n.bbox_inside, ntop=2, roi_per_img=32, propagate_down=[False] * 4
    )
    n.silence = L.Silence(*silent, ntop=0)
    n.loss_cls = L.SoftmaxWithLoss(n.cls_score, n.hard_labels, loss_weight=1, loss_param={"ignore_label": -1})
    n.loss_bbox = L.SmoothL1LossOHEM(
        n.bbox_pred,
        n.bbox_targets,
        n.hard_weights,
        loss_weight=1,
        loss_param={"normalization": P.Loss.PRE_FIXED, "pre_fixed_normalizer": 32},
    )


def _conv(x: Any, width: int, kernel: int, stride: int = 1, std: float | None = 0.01) -> Any:
    filler = {"type": "msra"} if std is None else {"type": "gaussian", "std": std}
    return L.Convolution(x, num_output=width, kernel_size=kernel, pad=kernel // 2, stride=stride, weight_filler=filler)


def _python(module: str, name: str, tops: int, options: dict[str, Any], *bottoms: Any) -> Any:
    return L.Python(*bottoms, ntop=tops, module=module, layer=name, param_str=str(options))


SOLVER = """
net: "{folder}/train.prototxt"
type: "Adam" base_lr: 0.001 momentum: 0.9 momentum2: 0.999 weight_decay: 0.0001
lr_policy: "multistep" gamma: 0.1 stepvalue: {step} max_iter: {iterations}
display: 100 average_loss: 100 snapshot_after_train: false random_seed: {seed}
"""


# Running ------------------------------------------------------------------------------------------------------------


def solver(head: str, folder: Path, iterations: int, records: list[dict[str, Any]], seed: int = 0) -> Any:
    """A solver for the records, and train.prototxt, test.prototxt and solver.prototxt in the folder."""
    for phase, train in (("train", True), ("test", False)):
        (folder / f"{phase}.prototxt").write_text(net(head, train))
    text = SOLVER.format(folder=folder.as_posix(), step=iterations * 3 // 4, iterations=iterations, seed=seed)
    (folder / "solver.prototxt").write_text(text)
    made = caffelike.get_solver(str(folder / "solver.prototxt"))
    set_roidb(made.net, records)
    return made


def detect(test_net: Any, image: np.ndarray, least: float = 0.05) -> list[np.ndarray]:
    """For each class but the background the boxes (k, 5) found in an image: x1, y1, x2, y2, score, best first."""
    show(test_net, image)
    test_net.forward()
    return frames(*(test_net.blobs[name].data for name in ("rpn_rois", "cls_prob", "bbox_pred")), least)


def show(test_net: Any, image: np.ndarray) -> None:
    """Give an image to a net."""
    test_net.blobs["data"].data[...] = (image.astype(np.float32) - MEANS).transpose(2, 0, 1)
    test_net.blobs["im_info"].data[...] = (SIZE, SIZE, 1)


def frames(rois: np.ndarray, scores: np.ndarray, moves: np.ndarray, least: float) -> list[np.ndarray]:
    """For each class but the background boxes (k, 5), best first: regions moved, without doubles."""
    rois, scores = rois[:, 1:], scores.reshape(len(rois), -1)
    moves = moves.reshape(len(rois), -1, 4) * STDS
    size = (rois[:, 2:] - rois[:, :2] + 1)[:, None]
    centre = rois[:, None, :2] + size / 2 + moves[..., :2] * size
    half = np.exp(moves[..., 2:]) * size / 2
    boxes = np.clip(np.concatenate([centre - half, centre + half - 1], axis=2), 0, SIZE - 1)
    found = []
    for kind in range(1, len(CLASSES)):
        rows = np.column_stack([boxes[:, min(kind, boxes.shape[1] - 1)], scores[:, kind]])
        rows, kept = rows[rows[:, 4] > least], []
        for row in rows[np.argsort(-rows[:, 4], kind="stable")]:
            if all(overlap(row, other) <= 0.3 for other in kept):
                kept.append(row)
        found.append(np.array(kept).reshape(-1, 5))
    return found


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.maximum(np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2]) + 1, 0)
    area = [float(np.prod(np.subtract(box[2:4], box[:2]) + 1)) for box in (a, b)]
    return float(np.prod(sides) / (sum(area) - np.prod(sides)))


def average_precision(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """The area under the curve of precision over recall: found (k, 5) and true boxes (g, 4) of each image."""
    taken: set[tuple[int, int]] = set()
    right = []
    for _, image, row in sorted(((-r[4], i, r) for i, rows in enumerate(found) for r in rows), key=lambda t: t[:2]):
        best = max(range(len(truth[image])), key=lambda j: overlap(row, truth[image][j]), default=None)
        hit = best is not None and overlap(row, truth[image][best]) >= 0.5 and (image, best) not in taken
        if hit:
            taken.add((image, best))
        right.append(hit)
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[np.array(right, bool)].sum() / max(1, sum(map(len, truth))))


def precisions(found: list[list[np.ndarray]], records: list[dict[str, Any]]) -> list[float]:
    """The average precision of each class but the background, from what `detect` found in each image."""
    values = []
    for kind in range(1, len(CLASSES)):
        truth = [np.array(r["boxes"])[np.array(r["gt_classes"]) == kind] for r in records]
        values.append(average_precision([f[kind - 1] for f in found], truth))
    return values


def report(values: list[float]) -> None:
    """Print them, and their mean."""
    for name, value in zip(CLASSES[1:], values, strict=True):
        print(f"{name}: {value:.3f}")
    print(f"mAP@0.5: {np.mean(values):.3f}")


def main() -> None:
    """Train, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", choices=("rcnn", "rfcn"), default="rcnn")
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        records = shapes(20, args.seed)
        run = solver(args.head, folder, args.iterations, records, args.seed)
        test_net = caffelike.Net(str(folder / "test.prototxt"), caffelike.TEST)
        test_net.share_with(run.net)
        caffelike.init_log()
        run.solve()
        found = [detect(test_net, record["image"]) for record in records]
    report(precisions(found, records))


if __name__ == "__main__":
    main()

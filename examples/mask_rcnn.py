"""Teaches a narrow Mask R-CNN to find coloured shapes, their outlines and three points of each: minutes on two cores.

usage: python examples/mask_rcnn.py [--iterations 1500] [--folder FOLDER]

Makes 20 images of circles, squares and triangles, trains a narrow form of models/mask_rcnn on them, looks for the
shapes, and prints the average precision of each class and their mean (at an overlap of 0.5, as Pascal VOC counts it),
how much the masks overlap with the shapes, and by how many pixels the key-points are off.

Source: He et al., "Mask R-CNN", ICCV 2017.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from faster_rcnn import CLASSES, MEANS, SCALES, SIZE, STRIDE, frames, overlap, precisions, report, shapes, show
from learning import command, define, solver
from PIL import Image

import caffelike
from caffelike import log
from caffelike.data.roidb import set_roidb

POINTS = 3
CHANGES = {
    "type": "Adam", "base_lr": 0.001, "momentum": 0.9, "momentum2": 0.999, "weight_decay": 0.0001, "iter_size": 1,
    "lr_policy": "fixed", "display": 100, "random_seed": 1, "snapshot": 0,
}  # fmt: skip


def narrow(train: bool) -> Any:
    """The definition: an eighth of the channels, one block a stage, a place of the map for 8 x 8 pixels."""
    module = define("mask_rcnn")
    form = module.Form(
        classes=len(CLASSES),
        share=1 / 8,
        blocks=(1, 1, 1, 1),
        still=False,
        side=(SIZE, SIZE),
        stride=STRIDE,
        scales=tuple(SCALES),
        ratios=(1.0,),
        data={"scales": [SIZE], "max_size": SIZE, "means": MEANS, "keypoints": POINTS},
        proposals={"min_size": 8, "post_nms_top_n": 100 if train else 40},
        regions={"batch_size": 48},
    )
    return module.net(train, form, POINTS, depth=2)


def learner(folder: Path, records: list[dict[str, Any]], **changes: Any) -> Any:
    """A solver for the records."""
    run = solver("mask_rcnn", folder, net_param=narrow(True), **CHANGES | changes)
    set_roidb(run.net, records)
    return run


def detect(net: Any, image: np.ndarray, least: float = 0.05) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Boxes of each class as faster_rcnn.detect finds them; of all of them in order masks (SIZE, SIZE) and points.

    The net runs twice: to the boxes, and from there on again for what is inside of them, as the paper does.
    """
    show(net, image)
    net.forward(end="cls_prob")
    found = frames(*(net.blobs[name].data for name in ("rois", "cls_prob", "bbox_pred")), least)
    boxes = np.concatenate(found)[:, :4]
    if not len(boxes):
        return found, [], np.zeros((0, POINTS, 2))
    net.blobs["rois"].reshape(len(boxes), 5)
    net.blobs["rois"].data[...] = np.insert(boxes, 0, 0, axis=1)
    net.forward(start="roi_align")
    kinds = np.repeat(np.arange(1, len(CLASSES)), [len(rows) for rows in found])
    inside = net.blobs["mask_prob"].data[np.arange(len(boxes)), kinds]
    masks = [pasted(mask, box) for mask, box in zip(inside, boxes, strict=True)]
    side = int(np.sqrt(net.blobs["keypoint_prob"].shape[2]))
    cells = net.blobs["keypoint_prob"].data.argmax(axis=2)
    places = np.stack([cells % side, cells // side], axis=2) + 0.5
    points = boxes[:, None, :2] - 0.5 + places / side * (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
    return found, masks, points


def pasted(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE): where a mask (S, S) of what is in a box is above a half."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    resized = Image.fromarray(mask.astype(np.float32)).resize((x2 - x1 + 1, y2 - y1 + 1), Image.Resampling.BILINEAR)
    found = np.zeros((SIZE, SIZE), bool)
    found[y1 : y2 + 1, x1 : x2 + 1] = np.asarray(resized) > 0.5
    return found


def compared(seen: list[Any], records: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """For each true object that was found: the overlap of its mask, and the distances of its points in pixels."""
    common, off = [], []
    for (found, masks, points), record in zip(seen, records, strict=True):
        first = np.cumsum([0] + [len(rows) for rows in found])
        for box, kind, mask, truth in zip(
            *(record[name] for name in ("boxes", "gt_classes", "masks", "keypoints")), strict=True
        ):
            near = [i for i, row in enumerate(found[kind - 1]) if overlap(row, np.array(box)) >= 0.5]
            if near:
                best = first[kind - 1] + near[0]  # the first is the surest
                common.append(float((masks[best] & mask).sum() / (masks[best] | mask).sum()))
                off += list(np.hypot(*(points[best] - np.array(truth)[:, :2]).T))
    return common, off


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, look, print."""
    records = shapes(20)
    iterations = args.iterations or 1500
    run = learner(folder, records, lr_policy="step", gamma=0.1, stepsize=iterations * 3 // 4)
    caffelike.init_log()
    run.step(iterations)
    log.detach()
    net = caffelike.Net.build(narrow(False), caffelike.TEST)
    net.share_with(run.net)
    seen = [detect(net, record["image"]) for record in records]
    report(precisions([found for found, _, _ in seen], records))
    common, off = compared(seen, records)
    print(f"masks: {np.mean(common):.3f} of {len(common)} shapes' masks and the net's overlap")
    print(f"key-points: {np.mean(off):.2f} pixels off")


if __name__ == "__main__":
    command(__doc__, main)

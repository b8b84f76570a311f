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
from learning import define
from PIL import Image, ImageDraw

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
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
    """The definition, with the head "rcnn" (Faster R-CNN) or "rfcn" (R-FCN, trained on hard examples).

    Four convolutions, and from there on what models/faster_rcnn_zf and models/rfcn_resnet50 are made of.
    """
    rfcn = define("rfcn_resnet50")
    two_stage = rfcn.two_stage
    form = two_stage.Form(
        classes=len(CLASSES),
        side=(SIZE, SIZE),
        stride=STRIDE,
        scales=tuple(SCALES),
        ratios=tuple(RATIOS),
        data={"scales": [SIZE], "max_size": SIZE, "means": MEANS},
        proposals={"min_size": 8, "post_nms_top_n": 100 if train else 40},
        regions={"batch_size": -1 if head == "rfcn" else 64},
    )
    n = NetSpec()
    two_stage.images(n, form, train)
    top = n.data
    for i, (width, stride) in enumerate(((16, 2), (32, 2), (48, 2), (64, 1)), 1):
        top = two_stage.convolution(n, top, f"conv{i}", width, 3, stride=stride)
    kinds = rfcn.BOXES if head == "rfcn" else None
    rois = two_stage.region_proposals(n, top, 64, form, train, kinds)
    if head == "rfcn":
        rfcn.answers(n, top, rois, form, train, CELLS, hard=32)
    else:
        cells = {"pooled_h": 2 * CELLS, "pooled_w": 2 * CELLS}
        n.pool = L.ROIPooling(top, rois, spatial_scale=1 / STRIDE, **cells)
        n.fc = L.InnerProduct(n.pool, num_output=128, weight_filler={"type": "xavier"})
        n.fc_relu = L.ReLU(n.fc, in_place=True)
        two_stage.answers(n, n.fc_relu, form, train)
    return str(two_stage.named(n, head))


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
    return frames(*(test_net.blobs[name].data for name in ("rois", "cls_prob", "bbox_pred")), least)


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

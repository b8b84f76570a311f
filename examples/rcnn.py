"""R-CNN from end to end on made shapes: proposals, a net that learns from windows, Detector. A minute on two cores.

usage: python examples/rcnn.py [--proposals bing|sliding_window|selective_search|edge_boxes] [--iterations 300]
           [--folder FOLDER]

Makes 20 images of circles, squares and triangles, finds windows in them, writes a window file (the windows and how much
they overlap with the shapes) into FOLDER (a temporary one), trains a small net on it through a WindowData layer, runs
caffelike.Detector on the proposals of the images, and prints how many shapes are among the proposals, the average
precision of each class and their mean (at an overlap of 0.5, as Pascal VOC counts it). BING learns from 20 others.

With BING 100 % of the shapes are among the proposals and the mean is 0.995; with sliding windows 0.993, Selective
Search 1.000, Edge Boxes 0.974.

Source: R. Girshick et al., "Rich feature hierarchies for accurate object detection and semantic segmentation", CVPR
2014; with the softmax of its fine-tuning in place of the support vector machines that it trains afterwards.
"""

import argparse
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from faster_rcnn import CLASSES, average_precision, shapes
from learning import command
from PIL import Image

import caffelike
from caffelike import NetSpec, log, proposals
from caffelike import layers as L
from caffelike import params as P
from caffelike.proposals import overlaps, suppress

SIDE, CONTEXT, COUNT = 32, 4, 300  # pixels of the net's input and of context in it; windows of an image
OBJECT, BACKGROUND = 0.6, 0.4  # overlaps from which a window is a shape, and below which it is none
SOLVER = """
net: "train.prototxt" type: "Adam" base_lr: 0.001 momentum: 0.9 momentum2: 0.999 weight_decay: 0.0001
lr_policy: "step" gamma: 0.2 stepsize: {step} max_iter: {iterations} display: 100 average_loss: 50 random_seed: 1
snapshot_after_train: false
"""


def boxes_of(record: dict[str, Any]) -> np.ndarray:
    """(n, 4): ymin, xmin, ymax, xmax of a record's shapes; the roidb has x first and the last pixels."""
    x1, y1, x2, y2 = np.array(record["boxes"], np.float64).reshape(-1, 4).T
    return np.stack([y1, x1, y2 + 1, x2 + 1], axis=1)


def find(name: str) -> proposals.Proposals:
    """The method, trained if it is BING."""
    if name == "sliding_window":
        method = proposals.get(name, sizes=(0.22, 0.3, 0.4), ratios=(1.0,), step=0.2)
    elif name == "bing":
        method = proposals.get(name, sides=(16, 24, 32, 40, 48))
        method.train((record["image"][:, :, ::-1], boxes_of(record)) for record in shapes(20, seed=100))
    else:
        method = proposals.get(name)
    method.count = COUNT
    return method


def prepare(folder: Path, records: list[dict[str, Any]], method: proposals.Proposals) -> float:
    """The images and windows.txt, the window file; returns the share of shapes that a proposal overlaps by 0.5."""
    lines, found = [], []
    for i, record in enumerate(records):
        image, truth = record["image"], boxes_of(record)
        path = folder / f"{i}.png"
        Image.fromarray(image[:, :, ::-1]).save(path)
        (windows,) = method([path])
        shared = overlaps(windows, truth)
        found += list(shared.max(axis=0) >= 0.5)
        rows = [
            (record["gt_classes"][best], share, box)
            for best, share, box in zip(shared.argmax(1), shared.max(1), windows, strict=True)
        ]
        rows += [(kind, 1.0, box) for kind, box in zip(record["gt_classes"], truth, strict=True)]
        lines += [f"# {i}", str(path), "3", str(image.shape[0]), str(image.shape[1]), str(len(rows))]
        for kind, share, (top, left, bottom, right) in rows:  # the file has x first and the last pixels
            lines.append(
                f"{kind if share >= OBJECT else 0} {share:.4f} {left:.0f} {top:.0f} {right - 1:.0f} {bottom - 1:.0f}"
            )
    (folder / "windows.txt").write_text("\n".join(lines) + "\n")
    return float(np.mean(found))


def net(train: bool) -> str:
    """Three convolutions and a full layer: which shape is in a window."""
    n = NetSpec()
    if train:
        n.data, n.label = L.WindowData(
            ntop=2,
            source="windows.txt",
            batch_size=64,
            fg_threshold=OBJECT,
            bg_threshold=BACKGROUND,
            fg_fraction=0.5,
            context_pad=CONTEXT,
            window_data_param={"scale": 1 / 64},
            transform_param={"crop_size": SIDE, "mirror": True, "mean_value": [127, 127, 127]},
        )
    else:
        n.data = L.Input(shape={"dim": [1, 3, SIDE, SIDE]})
    top = n.data
    for i, width in enumerate((16, 32, 48), 1):
        n[f"conv{i}"] = L.Convolution(top, num_output=width, kernel_size=3, pad=1, weight_filler={"type": "msra"})
        n[f"relu{i}"] = L.ReLU(n[f"conv{i}"], in_place=True)
        top = n[f"pool{i}"] = L.Pooling(n[f"conv{i}"], pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.score = L.InnerProduct(top, num_output=len(CLASSES), weight_filler={"type": "xavier"})
    if train:
        n.loss = L.SoftmaxWithLoss(n.score, n.label)
    else:
        n.prob = L.Softmax(n.score)
    return str(n.to_proto())


def solver(folder: Path, iterations: int) -> Any:
    """A solver for the window file in the folder."""
    (folder / "train.prototxt").write_text(net(train=True))
    (folder / "deploy.prototxt").write_text(net(train=False))
    (folder / "solver.prototxt").write_text(SOLVER.format(iterations=iterations, step=iterations * 2 // 3))
    with contextlib.chdir(folder):
        return caffelike.get_solver("solver.prototxt")


def detect(folder: Path, method: proposals.Proposals, count: int) -> list[list[np.ndarray]]:
    """For each image and each class but the background the boxes (k, 5), x first, last pixels, and score."""
    mean = np.full(3, 127, np.float32)
    detector = caffelike.Detector(
        folder / "deploy.prototxt",
        folder / "rcnn.caffemodel",
        mean=mean,
        input_scale=1 / 64,
        raw_scale=255,
        channel_swap=(2, 1, 0),
        context_pad=CONTEXT,
    )
    detector.proposals = method
    files = [str(folder / f"{i}.png") for i in range(count)]
    detections = detector.detect_selective_search(files)
    found = []
    for file in files:
        own = [d for d in detections if d["filename"] == file]
        windows, scores = (np.array([d[key] for d in own]) for key in ("window", "prediction"))
        classes = []
        for kind in range(1, len(CLASSES)):
            rows = np.column_stack([windows, scores[:, kind]])
            rows = rows[rows[:, 4] > 0.05]
            rows = rows[suppress(rows, 0.3)]
            classes.append(rows[:, [1, 0, 3, 2, 4]] - [0, 0, 1, 1, 0])
        found.append(classes)
    return found


def main(args: argparse.Namespace, folder: Path) -> None:
    """Propose, train, detect, count."""
    records, method = shapes(20), find(args.proposals)
    recall = prepare(folder, records, method)
    run = solver(folder, args.iterations or 300)
    caffelike.init_log()
    run.solve()
    log.detach()
    run.net.save(folder / "rcnn.caffemodel")
    found = detect(folder, method, len(records))
    print(f"{args.proposals}: {recall:.1%} of the shapes overlap a proposal by 0.5 or more")
    values = []
    for kind, name in enumerate(CLASSES[1:], 1):
        truth = [np.array(r["boxes"])[np.array(r["gt_classes"]) == kind] for r in records]
        values.append(average_precision([classes[kind - 1] for classes in found], truth))
        print(f"{name}: {values[-1]:.3f}")
    print(f"mAP@0.5: {np.mean(values):.3f}")


if __name__ == "__main__":
    command(__doc__, main, ("--proposals", {"choices": proposals.names(), "default": "bing"}))

"""Teaches a narrow YOLO to find coloured shapes: some minutes on two cores.

usage: python examples/yolo.py [--model yolo_v3|yolo_v2] [--iterations 1000] [--folder FOLDER] [--seed 0]

Writes the 20 images of examples/faster_rcnn.py and their boxes into a data base in FOLDER (a temporary one), trains the
model of models/ on it, with an eighth of its channels and anchors of 20 to 40 pixels, looks for the shapes in the
images, and prints the mean average precision (at an overlap of 0.5, the area under the curve). FOLDER keeps the
weights, <model>.caffemodel.

Source: Redmon and Farhadi, "YOLO9000", CVPR 2017, and "YOLOv3", 2018.
"""

import argparse
import contextlib
from pathlib import Path
from typing import Any

import learning
import numpy as np
from faster_rcnn import CLASSES, SIZE, shapes

import caffelike
from caffelike import log
from caffelike.data.writing import create
from caffelike.schema import message_class

# Of each model the anchors, of boxes from 20 to 40 pixels: of v2 in cells of 32 pixels
ANCHORS = {
    "yolo_v2": tuple(side / 32 for side in (22, 22, 26, 26, 30, 30, 34, 34, 38, 38)),
    "yolo_v3": tuple(side for side in (20, 22, 24, 26, 28, 30, 33, 36, 39) for _ in range(2)),
}
CHANGES = {
    "type": "Adam", "base_lr": 0.005, "momentum": 0.9, "lr_policy": "poly", "power": 1.0, "iter_size": 1,
    "clip_gradients": -1, "display": 50, "average_loss": 50, "snapshot": 0,
}  # fmt: skip


def prepare(folder: Path, records: list[dict[str, Any]], sources: tuple[str, ...]) -> None:
    """Write images and boxes as data bases for AnnotatedData; `records` as `faster_rcnn.shapes` gives them."""
    for source in sources:
        with create(folder / source) as base:
            for i, record in enumerate(records):
                pixels = record["image"].transpose(2, 0, 1)
                message = message_class("AnnotatedDatum")()
                message.datum.channels, message.datum.height, message.datum.width = pixels.shape
                message.datum.data, message.type = pixels.tobytes(), message.BBOX
                for box, kind in zip(record["boxes"], record["gt_classes"], strict=True):
                    corners = message.annotation_group.add(group_label=kind).annotation.add().bbox
                    sides = np.add(box, (0, 0, 1, 1)) / SIZE
                    corners.xmin, corners.ymin, corners.xmax, corners.ymax = sides
                base.put(b"%08d" % i, message.SerializeToString())


def narrow(model: str, width: int = 8) -> tuple[Any, Any]:
    """The model's training and testing net with so few of its channels, for the shapes, four images a step."""
    options = {"classes": len(CLASSES) - 1, "size": SIZE, "sizes": (SIZE,), "batches": (4, 4)}
    detector = learning.define(model).detector(width=width, anchors=ANCHORS[model], **options)
    nets = detector.train_net(), detector.test_net()
    nets[0].layer[0].transform_param.ClearField("distort_param")  # 20 images are learned as they are, or mirrored
    nets[0].layer[0].annotated_data_param.yolo_data_jitter = 0
    for net in nets:
        for layer in net.layer:
            if layer.type == "BatchNorm":  # of few iterations the first should be forgotten soon
                layer.batch_norm_param.moving_average_fraction = 0.9
    return nets


def solver(model: str, folder: Path, width: int = 8, **changes: Any) -> Any:
    """A solver that trains on the data base in `folder`, and tests on all of it."""
    train_net, test_net = narrow(model, width)
    changes = CHANGES | changes | {"train_net_param": train_net, "test_net_param": [test_net]}
    run = learning.solver(model, folder, **changes)
    run.param.test_iter[0] = 5
    return run


def train(args: argparse.Namespace, folder: Path) -> None:
    """Make images, train, test, print."""
    prepare(folder, shapes(20, args.seed), ("coco_train_lmdb", "coco_val_lmdb"))
    iterations = args.iterations or 1000
    run = solver(args.model, folder, max_iter=iterations, random_seed=args.seed + 1)
    caffelike.init_log()
    with contextlib.chdir(folder):
        run.step(iterations)
        found = run.test(0)["detection_eval"]
    run.net.save(folder / f"{args.model}.caffemodel")
    run.close()
    log.detach()
    print(f"mAP@0.5: {found:.3f}")


if __name__ == "__main__":
    learning.command(
        __doc__,
        train,
        ("--model", {"default": "yolo_v3", "choices": sorted(ANCHORS)}),
        ("--seed", {"type": int, "default": 0}),
    )

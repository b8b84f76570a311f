"""Teaches a small SSD to find coloured shapes: a minute on two cores.

usage: python examples/ssd.py [--iterations 500] [--folder FOLDER] [--seed 0]

Takes the 20 images of examples/faster_rcnn.py, writes train.prototxt, test.prototxt and solver.prototxt into FOLDER (a
temporary one), trains on the images four at a time, looks for the shapes in them, and prints the average precision of
each class and their mean (at an overlap of 0.5, as Pascal VOC counts it).

Source: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import learning
import numpy as np
from faster_rcnn import CLASSES, MEANS, SIZE, precisions, report, shapes

import caffelike
from caffelike import NetSpec
from caffelike import layers as L

BATCH, LABELS = 4, 3  # images a step; labels of an image at most
SIDES = ((20, 28), (32, 44))  # pixels of the priors' sides on each map, 12x12 and 6x6 places
WINDOW = {"kernel_size": 3, "pad": 1, "weight_filler": {"type": "msra"}}  # of all convolutions


def net(train: bool) -> str:
    """The definition: four convolutions, and on the last two maps what moves and names each place's priors."""
    n = NetSpec()
    n.data = L.Input(input_param={"shape": {"dim": [BATCH if train else 1, 3, SIZE, SIZE]}})
    if train:
        n.label = L.Input(input_param={"shape": {"dim": [1, 1, BATCH * LABELS, 8]}})
    x = n.data
    for i, width in enumerate((24, 48, 64, 96), 1):
        n[f"conv{i}"] = L.Convolution(x, num_output=width, stride=2, **WINDOW)
        n[f"relu{i}"] = L.ReLU(n[f"conv{i}"], in_place=True)
        n[f"conv{i}b"] = L.Convolution(n[f"relu{i}"], num_output=width, **WINDOW)
        x = n[f"relu{i}b"] = L.ReLU(n[f"conv{i}b"], in_place=True)
    multibox = learning.shared("multibox")
    maps = [multibox.Map(f"relu{i}b", *sides, ratios=()) for i, sides in enumerate(SIDES, 3)]
    predicted = multibox.heads(n, maps, len(CLASSES), WINDOW, WINDOW)
    if train:
        n.loss = multibox.loss(n, *predicted, len(CLASSES))
    else:
        options = {"nms_param": {"nms_threshold": 0.45, "top_k": 100}, "keep_top_k": 40}
        n.detection_out = multibox.found(n, *predicted, len(CLASSES), **options, confidence_threshold=0.05)
    return f'name: "ssd"\n{n.to_proto()}'


SOLVER = """
net: "{folder}/train.prototxt"
type: "Adam" base_lr: 0.001 momentum: 0.9 momentum2: 0.999 weight_decay: 0.0005
lr_policy: "multistep" gamma: 0.1 stepvalue: {step} max_iter: {iterations}
display: 100 average_loss: 100 snapshot_after_train: false random_seed: {seed}
"""


def solver(folder: Path, iterations: int, seed: int = 0) -> Any:
    """A solver, and train.prototxt, test.prototxt and solver.prototxt in the folder."""
    for phase, train in (("train", True), ("test", False)):
        (folder / f"{phase}.prototxt").write_text(net(train))
    text = SOLVER.format(folder=folder.as_posix(), step=iterations * 3 // 4, iterations=iterations, seed=seed)
    (folder / "solver.prototxt").write_text(text)
    return caffelike.get_solver(str(folder / "solver.prototxt"))


def feed(train_net: Any, records: list[dict[str, Any]]) -> None:
    """Put a batch of records and their labels into the net's inputs."""
    rows = np.full((BATCH * LABELS, 8), -1, np.float32)
    at = 0
    for item, record in enumerate(records):
        train_net.blobs["data"].data[item] = _input(record["image"])
        for box, kind in zip(record["boxes"], record["gt_classes"], strict=True):
            rows[at] = [item, kind, 0, *np.add(box, (0, 0, 1, 1)) / SIZE, 0]
            at += 1
    train_net.blobs["label"].data[0, 0] = rows


def _input(image: np.ndarray) -> np.ndarray:
    return ((image.astype(np.float32) - MEANS) / 64).transpose(2, 0, 1)


def detect(test_net: Any, image: np.ndarray) -> list[np.ndarray]:
    """For each class but the background the boxes (k, 5) found in an image: x1, y1, x2, y2, score, best first."""
    test_net.blobs["data"].data[...] = _input(image)
    rows = test_net.forward()["detection_out"].reshape(-1, 7)  # item, class, score, box
    boxes = np.column_stack([rows[:, 3:] * SIZE - (0, 0, 1, 1), rows[:, 2]])
    return [boxes[rows[:, 1] == kind] for kind in range(1, len(CLASSES))]


def main() -> None:
    """Train, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        records = shapes(20, args.seed)
        run = solver(folder, args.iterations, args.seed)
        test_net = caffelike.Net(str(folder / "test.prototxt"), caffelike.TEST)
        test_net.share_with(run.net)
        caffelike.init_log()
        order = np.random.default_rng(args.seed)
        for _ in range(args.iterations):
            feed(run.net, [records[i] for i in order.permutation(len(records))[:BATCH]])
            run.step(1)
        found = [detect(test_net, record["image"]) for record in records]
    report(precisions(found, records))


if __name__ == "__main__":
    main()

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

import numpy as np
from faster_rcnn import CLASSES, MEANS, SIZE, average_precision, shapes

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BATCH, LABELS = 4, 3  # images a step; labels of an image at most
SIDES = ((20, 28), (32, 44))  # pixels of the priors' sides on each map, 12x12 and 6x6 places


def net(train: bool) -> str:
    """The definition: four convolutions, and on the last two maps what moves and names each place's priors."""
    n = NetSpec()
    n.data = L.Input(input_param={"shape": {"dim": [BATCH if train else 1, 3, SIZE, SIZE]}})
    if train:
        n.label = L.Input(input_param={"shape": {"dim": [1, 1, BATCH * LABELS, 8]}})
    x, parts = n.data, []
    for i, width in enumerate((24, 48, 64, 96), 1):
        n[f"conv{i}"] = _conv(x, width, stride=2)
        n[f"relu{i}"] = L.ReLU(n[f"conv{i}"], in_place=True)
        n[f"conv{i}b"] = _conv(n[f"relu{i}"], width)
        x = n[f"relu{i}b"] = L.ReLU(n[f"conv{i}b"], in_place=True)
        if i > 2:
            least, most = SIDES[i - 3]
            for head, width_ in (("loc", 4), ("conf", len(CLASSES))):
                n[f"{head}{i}"] = _conv(x, 2 * width_)
                n[f"{head}{i}_perm"] = L.Permute(n[f"{head}{i}"], order=[0, 2, 3, 1])
                n[f"{head}{i}_flat"] = L.Flatten(n[f"{head}{i}_perm"])
            n[f"prior{i}"] = L.PriorBox(x, n.data, min_size=least, max_size=most, variance=[0.1, 0.1, 0.2, 0.2])
            parts.append((n[f"loc{i}_flat"], n[f"conf{i}_flat"], n[f"prior{i}"]))
    locs, confs, priors = zip(*parts, strict=True)
    n.mbox_loc, n.mbox_conf = L.Concat(*locs), L.Concat(*confs)
    n.mbox_priorbox = L.Concat(*priors, axis=2)
    coded = {"num_classes": len(CLASSES), "code_type": P.PriorBox.CENTER_SIZE}
    if train:
        n.loss = L.MultiBoxLoss(n.mbox_loc, n.mbox_conf, n.mbox_priorbox, n.label, propagate_down=[True, True, False,
                                False], loss_weight=1, multibox_loss_param=coded)  # fmt: skip
    else:
        n.conf_reshape = L.Reshape(n.mbox_conf, shape={"dim": [0, -1, len(CLASSES)]})
        n.conf_softmax = L.Softmax(n.conf_reshape, axis=2)
        n.conf_flatten = L.Flatten(n.conf_softmax)
        n.detection_out = L.DetectionOutput(
            n.mbox_loc, n.conf_flatten, n.mbox_priorbox, detection_output_param=coded
            | {"nms_param": {"nms_threshold": 0.45, "top_k": 100}, "keep_top_k": 40, "confidence_threshold": 0.05},
        )  # fmt: skip
    return f'name: "ssd"\n{n.to_proto()}'


def _conv(x: Any, width: int, stride: int = 1) -> Any:
    return L.Convolution(x, num_output=width, kernel_size=3, pad=1, stride=stride, weight_filler={"type": "msra"})


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


def precisions(test_net: Any, records: list[dict[str, Any]]) -> list[float]:
    """The average precision of each class but the background."""
    found = [detect(test_net, record["image"]) for record in records]
    values = []
    for kind in range(1, len(CLASSES)):
        truth = [np.array(r["boxes"])[np.array(r["gt_classes"]) == kind] for r in records]
        values.append(average_precision([f[kind - 1] for f in found], truth))
    return values


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
        values = precisions(test_net, records)
    for name, value in zip(CLASSES[1:], values, strict=True):
        print(f"{name}: {value:.3f}")
    print(f"mAP@0.5: {np.mean(values):.3f}")


if __name__ == "__main__":
    main()

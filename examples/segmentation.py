"""Teaches a narrow net to say of every pixel what shape it belongs to: minutes on two cores.

usage: python examples/segmentation.py [fcn|unet|segnet] [--iterations N] [--folder FOLDER]

Draws pictures of coloured circles, squares and triangles, writes them and the labels of their pixels as files, trains a
narrow form of models/fcn8s, models/unet or models/segnet on them, and prints which share of the pixels of 40 other
pictures the net for prediction labels right. Leaves segmentation.png: pictures, what is right, what it says.
"""

import argparse
import contextlib
import importlib
import sys
from pathlib import Path
from typing import Any

import made_pictures as made
import numpy as np
from learning import command, define, solver
from PIL import Image

import caffelike
from caffelike import hub, log

CLASSES = ("ground", *made.SHAPES)
BATCH, TRAIN, TEST = 8, 400, 40
MODELS = {"fcn": "fcn8s", "unet": "unet", "segnet": "segnet"}
WIDTHS = (8, 16, 24, 32, 32)
NARROW: dict[str, dict[str, Any]] = {
    "fcn": {"widths": WIDTHS, "full": 48, "normalize": True},
    "unet": {"widths": WIDTHS, "channels": 3, "pad": 1, "last": 8, "dropout": 0.0},
    "segnet": {"widths": WIDTHS},
}
ITERATIONS = {"fcn": 200, "unet": 1200, "segnet": 700}
RATES = {"fcn": 0.003, "unet": 0.001, "segnet": 0.003}
CHANGES = {
    "type": "Adam",
    "momentum": 0.9,
    "momentum2": 0.999,
    "lr_policy": "step",
    "gamma": 0.2,
    "weight_decay": 0,
    "display": 50,
    "snapshot": 0,
    "test_interval": 100000,
    "random_seed": 0,
}
COLOURS = np.array([(40, 40, 40), (230, 90, 60), (70, 160, 240), (240, 210, 70)], np.uint8)  # of ground and shapes


def prepare(folder: Path, count: int = TRAIN, held: int = TEST) -> None:
    """train.txt and val.txt, lists of images and label images, and the files that they name."""
    rng = np.random.default_rng(0)
    for name, number in (("train", count), ("val", held)):
        lines = []
        for i in range(number):
            pixels, label = made.labelled(made.some(1, rng)[0], rng)
            image, labels = f"{name}{i}.png", f"{name}{i}_labels.png"
            Image.fromarray(pixels[::-1].transpose(1, 2, 0)).save(folder / image)
            Image.fromarray(label).save(folder / labels)
            lines.append(f"{image} {labels}\n")
        (folder / f"{name}.txt").write_text("".join(lines))


def narrow(train: bool, model: str) -> Any:
    """A narrow form of a model for these pictures; when training, it reads the lists."""
    options = {"classes": len(CLASSES), "size": made.SIDE, "batch": BATCH if train else 1, **NARROW[model]}
    if model == "fcn":
        net = _fcn().net(MODELS[model], train, **options)
    else:
        net = define(MODELS[model]).net(train, **options)
    if not train:
        return net
    segmenting = importlib.import_module("segmenting")
    return segmenting.pairs(segmenting.VOC, net, BATCH, means=[120, 120, 120])


def _fcn() -> Any:
    if str(hub.root()) not in sys.path:
        sys.path.insert(0, str(hub.root()))
    return importlib.import_module("fcn")


def learner(model: str, folder: Path, iterations: int) -> Any:
    """The solver, ready to begin."""
    net = narrow(True, model)
    run = solver(
        MODELS[model], folder, net_param=net, **CHANGES, base_lr=RATES[model], stepsize=max(1, iterations * 2 // 3)
    )
    if model == "fcn":
        _fcn().begin(run.net)
    return run


def predictor(model: str, trained: caffelike.Net, images: np.ndarray) -> caffelike.Net:
    """The net for prediction; images: some of those trained with, whose statistics SegNet's needs."""
    net = caffelike.Net.build(narrow(False, model), caffelike.TEST)
    if model == "segnet":
        options = {"classes": len(CLASSES), "size": made.SIDE, "batch": BATCH, **NARROW[model]}
        batches = [images[i : i + BATCH] for i in range(0, len(images) - BATCH + 1, BATCH)]
        define("segnet").fold(trained, net, batches, **options)
    else:
        net.share_with(trained)
    return net


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """data (N, 3, SIDE, SIDE) and labels (N, SIDE, SIDE) of a list."""
    pairs = [line.split() for line in (folder / f"{name}.txt").read_text().splitlines()]
    pixels = np.stack([np.asarray(Image.open(folder / image)) for image, _ in pairs])
    data = pixels[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) - 120
    return data, np.stack([np.asarray(Image.open(folder / labels)) for _, labels in pairs])


def say(net: caffelike.Net, data: np.ndarray) -> np.ndarray:
    """The likeliest class of each pixel."""
    found = []
    for image in data:
        (scores,) = net.forward(data=image[None]).values()
        found.append(scores[0].argmax(axis=0))
    return np.stack(found)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Draw, train, look at other pictures."""
    iterations = args.iterations or ITERATIONS[args.model]
    prepare(folder)
    caffelike.init_log()
    run = learner(args.model, folder, iterations)
    with contextlib.chdir(folder):
        run.step(iterations)
    log.detach()
    net = predictor(args.model, run.net, read(folder, "train")[0])
    data, labels = read(folder, "val")
    said = say(net, data)
    shapes = labels > 0
    print(f"{(said == labels).mean():.1%} of the pixels of {TEST} other pictures are right", end="")
    print(f", {(said == labels)[shapes].mean():.1%} of those of shapes (ground is {1 - shapes.mean():.1%})")
    shown = (data[:8] + 120).astype(np.uint8)[:, ::-1].transpose(0, 2, 3, 1)
    rows = [np.concatenate(list(row), axis=1) for row in (shown, COLOURS[labels[:8]], COLOURS[said[:8]])]
    target = (args.folder or Path()) / "segmentation.png"
    Image.fromarray(np.concatenate(rows)).save(target)
    print(f"pictures, what is right, what the net says: {target}")


if __name__ == "__main__":
    command(__doc__, main, ("model", {"nargs": "?", "choices": sorted(MODELS), "default": "fcn"}))

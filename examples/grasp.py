"""Teaches a patch net at which of 18 angles a gripper holds a bar, from trials: a minute on two cores.

usage: python examples/grasp.py [--iterations 1200] [--folder FOLDER]

Each patch shows a bar at some angle. A grasp holds if the gripper closes across the bar, at most 15 degrees off. Of
each patch the net is told what came of one try at one angle, as a robot finds out. Trains a narrow form of
models/grasp, and prints how often the angle that it holds for the best does hold on 200 other patches, and how often a
random one does.

Source: L. Pinto, A. Gupta, "Supersizing Self-supervision: Learning to Grasp from 50K Tries and 700 Robot Hours", ICRA
2016.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from learning import command, define, trained

SIDE, ANGLES, BATCH, TRAIN, TEST = 67, 18, 32, 3200, 200
OFF = 15  # degrees
NARROW = {"side": SIDE, "widths": (16, 24, 24, 24, 24), "full": (128, 128)}
CHANGES = {
    "type": "Adam",
    "base_lr": 0.001,
    "momentum": 0.9,
    "lr_policy": "step",
    "stepsize": 900,
    "gamma": 0.2,
    "weight_decay": 0,
    "display": 50,
}


def patch(angle: float, rng: np.random.Generator) -> np.ndarray:
    """(3, SIDE, SIDE) float32, -1 to 1: a bar at an angle (degrees, against the x axis) on a noisy ground."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2 + rng.uniform(-3, 3, (2, 1, 1))
    turn = np.deg2rad(angle)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    bar = (np.abs(along) < rng.uniform(18, 28)) & (np.abs(across) < rng.uniform(4, 7))
    picture = np.where(bar, rng.uniform(0.3, 1, (3, 1, 1)), rng.uniform(-0.6, 0, (3, 1, 1)))
    return (picture + rng.normal(0, 0.1, picture.shape)).astype(np.float32)


def holds(angle: np.ndarray) -> np.ndarray:
    """(..., ANGLES): whether a gripper at 0, 10, ... degrees holds a bar at an angle."""
    off = np.abs(np.arange(ANGLES) * 180 / ANGLES - np.asarray(angle)[..., None] - 90) % 180
    return np.minimum(off, 180 - off) <= OFF


def examples(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """data (count, 3, SIDE, SIDE) and what holds (count, ANGLES)."""
    angles = rng.uniform(0, 180, count)
    return np.stack([patch(angle, rng) for angle in angles]), holds(angles)


def tried(held: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels of one try each: of every other patch at an angle that holds, -1 for the angles that were not tried."""
    luck = rng.random(held.shape) + np.where(np.arange(len(held))[:, None] % 2, 2 * held, 0)
    label = np.full(held.shape, -1, np.float32)
    rows = np.arange(len(held)), luck.argmax(axis=1)
    label[rows] = held[rows]
    return label


def prepare(folder: Path, count: int = TRAIN) -> None:
    """patches.h5 and patches.txt, as models/grasp/train.prototxt reads them."""
    rng = np.random.default_rng(0)
    data, held = examples(count, rng)
    with h5py.File(folder / "patches.h5", "w") as file:
        file["data"], file["label"] = data, tried(held, rng)
    (folder / "patches.txt").write_text("patches.h5\n")


def narrow(train: bool) -> object:
    """models/grasp for these patches."""
    return define("grasp").net(train, batch=BATCH, **NARROW)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Try, train, grasp."""
    prepare(folder)
    net = trained("grasp", folder, args.iterations or 1200, deploy=narrow(False), net_param=narrow(True), **CHANGES)
    data, held = examples(TEST, np.random.default_rng(1))
    best = net.forward(data=data)["prob"].argmax(axis=1)
    print(f"{held[np.arange(TEST), best].mean():.1%} of {TEST} grasps hold; at random angles {held.mean():.1%}")


if __name__ == "__main__":
    command(__doc__, main)

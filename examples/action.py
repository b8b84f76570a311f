"""Teaches C3D, or a two-stream net over optical flow, what moves in a clip, and how: minutes on two cores.

usage: python examples/action.py [--model c3d|two_stream] [--iterations 150 or 200] [--folder FOLDER]

The clips are made: a square or a disc goes left, right, up or down on a noisy ground, which makes eight classes. The
optical flow is Horn and Schunck's. Trains a narrow form of models/c3d or models/two_stream, and prints how many of 80
other clips it names rightly; of the two streams, also what each says alone.

Source: D. Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015; K. Simonyan,
A. Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", NIPS 2014.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from learning import command, define, trained

MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))
CLASSES, FRAMES, FLOWS = 2 * len(MOVES), 16, 10
TRAIN, TEST, BATCH = 160, 80, 16
SIDES = {"c3d": 32, "two_stream": 64}
NARROW = {
    "c3d": {"widths": (8, 16, 16, 24, 24), "full": 32, "dropout": 0.0},
    "two_stream": {"widths": (8, 16, 16, 16, 16), "full": (32, 32)},
}
CHANGES = {"type": "Adam", "base_lr": 0.002, "momentum": 0.9, "lr_policy": "fixed", "weight_decay": 0, "display": 20}


def clip(kind: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """(FRAMES, side, side) float32, 0 to 1: class `kind`, a disc if it is odd, in the direction kind // 2."""
    down, right = MOVES[kind // 2]
    half = side * rng.uniform(0.13, 0.18)
    speed = rng.uniform(0.02, 0.03) * side
    start = side / 2 - np.array([down, right]) * speed * FRAMES / 2 + rng.uniform(-0.05, 0.05, 2) * side
    place = start[:, None] + np.array([[down], [right]]) * speed * np.arange(FRAMES)
    grid = np.arange(side)
    dy, dx = (np.abs(grid - p[:, None]) for p in place)
    distance = np.hypot(dy[:, :, None], dx[:, None, :]) if kind % 2 else np.maximum(dy[:, :, None], dx[:, None, :])
    shape = np.clip(half - distance + 0.5, 0, 1)
    ground = np.kron(rng.uniform(0, 0.3, (side // 4, side // 4)), np.ones((4, 4)))
    return (ground + shape * (0.9 - ground)).astype(np.float32)


def flow(frames: np.ndarray, smooth: float = 0.02, rounds: int = 30) -> np.ndarray:
    """Horn and Schunck's optical flow between frames, (pairs, 2, height, width): pixels to the right, and down.

    smooth: how much a smooth field is worth, in squares of grey levels (0 to 1).
    """
    both = (frames[:-1] + frames[1:]) / 2
    dy, dx = np.gradient(both, axis=(1, 2))
    dt = frames[1:] - frames[:-1]
    u, v = np.zeros_like(both), np.zeros_like(both)
    for _ in range(rounds):
        around = [_around(field) for field in (u, v)]
        error = (dx * around[0] + dy * around[1] + dt) / (smooth + dx**2 + dy**2)
        u, v = around[0] - dx * error, around[1] - dy * error
    return np.stack([u, v], axis=1)


def _around(field: np.ndarray) -> np.ndarray:
    """The mean of each place's eight neighbours: those at its sides count twice."""
    p = np.pad(field, ((0, 0), (1, 1), (1, 1)), mode="edge")
    sides = p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]
    corners = p[:, :-2, :-2] + p[:, :-2, 2:] + p[:, 2:, :-2] + p[:, 2:, 2:]
    return sides / 6 + corners / 12


def examples(model: str, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Inputs of the model, and labels, for `count` clips."""
    labels = rng.permutation(np.arange(count) % CLASSES)
    clips = np.stack([clip(int(kind), SIDES[model], rng) for kind in labels])
    found = {"label": labels.astype(np.float32)}
    if model == "c3d":
        found["data"] = np.repeat(clips[:, None] - 0.3, 3, axis=1)
    else:
        found["frame"] = np.repeat(clips[:, None, FRAMES // 2] - 0.3, 3, axis=1)
        flows = np.stack([flow(frames[: FLOWS + 1]) for frames in clips])
        found["flow"] = flows.reshape(count, 2 * FLOWS, SIDES[model], SIDES[model])
    return found


def prepare(folder: Path, model: str, count: int = TRAIN) -> None:
    """clips.h5 and clips.txt, as models/<model>/train.prototxt reads them."""
    with h5py.File(folder / "clips.h5", "w") as file:
        for name, array in examples(model, count, np.random.default_rng(0)).items():
            file[name] = array
    (folder / "clips.txt").write_text("clips.h5\n")


def narrow(train: bool, model: str) -> object:
    """models/<model> for these clips."""
    shape = {"batch": BATCH, "side": SIDES[model], "classes": CLASSES, **NARROW[model]}
    return define(model).net(train, **shape)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Make clips, train, look at others."""
    prepare(folder, args.model)
    options = {"deploy": narrow(False, args.model), "net_param": narrow(True, args.model)}
    net = trained(
        args.model, folder, args.iterations or {"c3d": 150, "two_stream": 200}[args.model], **options, **CHANGES
    )
    inputs = examples(args.model, TEST, np.random.default_rng(1))
    labels = inputs.pop("label")
    net.forward(**inputs)
    for name in ("spatial/prob", "temporal/prob", "prob"):
        if name in net.blobs:
            right = int((net.blobs[name].data.argmax(axis=1) == labels).sum())
            print(f"{name}: {right} of {TEST} clips right")


if __name__ == "__main__":
    command(__doc__, main, ("--model", {"choices": sorted(SIDES), "default": "c3d"}))

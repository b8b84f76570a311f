"""Teaches M5 to tell melodies of two tones by their raw sound: a minute on two cores.

usage: python examples/tones.py [--iterations 400] [--folder FOLDER]

Each sound is half a second at 8 kHz: one of five tones, then another one of them or the same, with noise;
the class is which way the melody goes (up, down, level) and how it sounds (pure, rough). Trains a
narrow form of models/m5, and prints how many of 120 other sounds it names rightly.

Source: W. Dai et al., "Very Deep Convolutional Neural Networks for Raw Waveforms", ICASSP 2017.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from learning import command, define, trained

RATE, LENGTH, CLASSES, BATCH = 8000, 4000, 6, 24  # samples a second and of a sound; classes; sounds of a batch
TONES = (300.0, 380.0, 480.0, 600.0, 760.0)  # Hz
TRAIN, TEST = 480, 120
WIDTHS = (16, 16, 32, 32)
CHANGES = {"base_lr": 0.01, "lr_policy": "step", "stepsize": 300, "gamma": 0.2, "weight_decay": 0.0, "display": 25}


def sound(kind: int, rng: np.random.Generator) -> np.ndarray:
    """(LENGTH,) float32: kind % 3 is level, up or down, kind // 3 pure or rough."""
    low, high = np.sort(rng.choice(TONES, 2, replace=False))
    tones = ((low, low), (low, high), (high, low))[kind % 3]
    pitch = np.repeat(np.array(tones) * rng.uniform(0.97, 1.03), LENGTH // 2)
    wave = np.sin(2 * np.pi * np.cumsum(pitch) / RATE + rng.uniform(0, 2 * np.pi))
    if kind // 3:
        wave = np.sign(wave) * 0.7
    return (rng.uniform(0.4, 1) * wave + rng.normal(0, 0.1, LENGTH)).astype(np.float32)


def examples(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """data (count, 1, 1, LENGTH) and labels."""
    labels = rng.permutation(np.arange(count) % CLASSES)
    return np.stack([sound(int(kind), rng) for kind in labels])[:, None, None], labels


def prepare(folder: Path, count: int = TRAIN) -> None:
    """sounds.h5 and sounds.txt, as models/m5/train.prototxt reads them."""
    data, labels = examples(count, np.random.default_rng(0))
    with h5py.File(folder / "sounds.h5", "w") as file:
        file["data"], file["label"] = data, labels.astype(np.float32)
    (folder / "sounds.txt").write_text("sounds.h5\n")


def narrow(train: bool) -> object:
    """models/m5 for these sounds."""
    return define("m5").net(train, batch=BATCH, length=LENGTH, widths=WIDTHS, classes=CLASSES)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Make sounds, train, listen to others."""
    prepare(folder)
    net = trained("m5", folder, args.iterations or 400, deploy=narrow(False), net_param=narrow(True), **CHANGES)
    data, labels = examples(TEST, np.random.default_rng(1))
    right = int((net.forward(data=data)["prob"].argmax(axis=1) == labels).sum())
    print(f"{right} of {TEST} sounds right")


if __name__ == "__main__":
    command(__doc__, main)

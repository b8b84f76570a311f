"""Teaches a siamese net which handwritten digits are the same: some minutes on two cores.

usage: python examples/siamese.py [--iterations 4000] [--folder FOLDER]

Needs scikit-learn (pip install 'caffelike[examples]') for its 1,797 digits, 360 of which are held out. Writes pairs of
them, moved aside by a pixel or two, as LMDBs into FOLDER (a temporary one), trains models/mnist_siamese there, and
prints how often the net is right about pairs of digits it has not seen: the same where they are nearer to each other
than a distance that is best for the training digits.

Source: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from learning import command, trained

from caffelike import demo
from caffelike.data import write_lmdb

PAIRS = {"train": 20000, "test": 4000}


def pairs(labels: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices a and b of `count` pairs, and whether they are the same digit: every other pair is."""
    a = rng.integers(len(labels), size=count)
    same = np.arange(count) % 2 == 0
    b = [rng.choice(np.flatnonzero((labels == labels[i]) == s)) for i, s in zip(a, same, strict=True)]
    return a, np.array(b), same


def moved(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with its digit up to two pixels aside: 1,437 digits would soon be known by heart."""
    return np.roll(image, rng.integers(-2, 3, 2), axis=(0, 1))


def prepare(folder: Path, count: int = PAIRS["train"]) -> tuple[demo.Digits, demo.Digits]:
    """The LMDBs that models/mnist_siamese reads: two pictures as two channels, label 1 for the same digit."""
    digits = demo.load_digits()
    rng = np.random.default_rng(0)
    for name, (images, labels), size in zip(PAIRS, digits, (count, 1000), strict=True):
        path = folder / f"mnist_siamese_{name}_lmdb"
        shutil.rmtree(path, ignore_errors=True)
        a, b, same = pairs(labels, size, rng)
        records = (
            (np.stack([moved(images[i], rng), moved(images[j], rng)]), int(s))
            for i, j, s in zip(a, b, same, strict=True)
        )
        write_lmdb(path, records)
    return digits


def best_threshold(distance: np.ndarray, same: np.ndarray) -> float:
    """The distance below which most of the pairs that are the same lie, and above which most others."""
    order = np.argsort(distance)
    right = np.cumsum(np.where(same[order], 1, -1))
    at = int(right.argmax())
    return float(distance[order[at : at + 2]].mean())


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, compare pairs."""
    digits = prepare(folder)
    net = trained("mnist_siamese", folder, args.iterations or 4000, random_seed=1)
    distances, sames = [], []
    for (images, labels), count in zip(digits, PAIRS.values(), strict=True):
        places = net.forward(data=images[:, None] / np.float32(256))["feat"].copy()
        a, b, same = pairs(labels, count, np.random.default_rng(1))
        distances.append(np.linalg.norm(places[a] - places[b], axis=1))
        sames.append(same)
    threshold = best_threshold(distances[0], sames[0])
    right = np.mean((distances[1] < threshold) == sames[1])
    print(f"{right:.2%} of {len(sames[1])} pairs of digits held out told right (the same: nearer than {threshold:.2f})")


if __name__ == "__main__":
    command(__doc__, main)

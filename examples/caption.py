"""Teaches an LRCN captioner ten sentences about ten made pictures: a minute on two cores.

usage: python examples/caption.py [--iterations 1000] [--folder FOLDER]

Writes pictures and sentences into FOLDER (a temporary one), trains a narrow form of models/lrcn there (the same layers
behind a small net that looks, 64 cells instead of 1,000), shows it the pictures, drawn anew, and prints what it says.

Source: J. Donahue et al., "Long-term Recurrent Convolutional Networks for Visual Recognition and Description",
CVPR 2015.
"""

import argparse
import shutil
from pathlib import Path

import h5py
import made_pictures as made
import numpy as np
from learning import command, define, trained

from caffelike import Net
from caffelike.data import write_lmdb

COUNT, SIZE, DRAWINGS = 10, 64, 40  # pictures; cells of an LSTM; drawings of each picture to learn from
VOCABULARY = ("", "a", "left", "of", *made.COLOURS, *made.SHAPES)  # the first: where a sentence starts and ends
STEPS = 9  # words of a sentence and its end
TRANSFORM = {"mean_value": [127], "scale": 1 / 64}


def sentence(picture: made.Picture) -> str:
    """What is to be said."""
    return f"a {' '.join(picture.left)} left of a {' '.join(picture.right)}"


def prepare(folder: Path) -> list[made.Picture]:
    """captions_lmdb with the pictures, and captions.txt with an HDF5 of the sentences, a column for each picture."""
    rng = np.random.default_rng(0)
    pictures = made.some(COUNT, rng)
    shutil.rmtree(folder / "captions_lmdb", ignore_errors=True)
    write_lmdb(folder / "captions_lmdb", ((made.draw(p, rng), 0) for _ in range(DRAWINGS) for p in pictures))
    words = np.array([[VOCABULARY.index(w) for w in sentence(p).split()] for p in pictures]).T
    end = np.zeros((1, COUNT))
    with h5py.File(folder / "captions.h5", "w") as file:
        file["input_sentence"] = np.concatenate([end, words]).astype(np.float32)
        file["target_sentence"] = np.concatenate([words, end]).astype(np.float32)
        file["cont_sentence"] = (np.arange(STEPS)[:, None] > np.zeros(COUNT)).astype(np.float32)
    (folder / "captions.txt").write_text("captions.h5\n")
    return pictures


def narrow(train: bool) -> object:
    """models/lrcn for this vocabulary."""
    lrcn, words = define("lrcn"), len(VOCABULARY)
    if train:
        return lrcn.train(made.looking, steps=STEPS, batch=COUNT, words=words, size=SIZE, transform=TRANSFORM)
    return lrcn.deploy(made.looking, side=made.SIDE, words=words, size=SIZE)


def say(net: Net, image: np.ndarray) -> str:
    """A sentence about an image (3, SIDE, SIDE): after each word the likeliest. The net looks once."""
    net.blobs["data"].data[...] = (image.astype(np.float32) - 127) / 64
    net.forward(end="features")
    words = [0]
    while len(words) <= STEPS and (len(words) == 1 or words[-1]):
        net.blobs["input_sentence"].data[...] = words[-1]
        net.blobs["cont_sentence"].data[...] = len(words) > 1
        words.append(int(net.forward(start="embedding")["probs"].argmax()))
    return " ".join(VOCABULARY[w] for w in words[1:] if w)


# Small nets learn fast, and without the publication's factor 20 in front of the loss
CHANGES = {
    "type": "Adam",
    "clip_gradients": -1,
    "display": 50,
    "base_lr": 0.001,
    "momentum": 0.9,
    "lr_policy": "step",
    "stepsize": 400,
    "gamma": 0.3,
}


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, look, say."""
    pictures = prepare(folder)
    changes = CHANGES | {"net_param": narrow(True)}
    net = trained("lrcn", folder, args.iterations or 1000, deploy=narrow(False), **changes)
    rng = np.random.default_rng(1)
    right = 0
    for picture in pictures:
        said = say(net, made.draw(picture, rng))
        right += said == sentence(picture)
        print(said if said == sentence(picture) else f"{said}   (but it is {sentence(picture)})")
    print(f"{right} of {COUNT} sentences right")


if __name__ == "__main__":
    command(__doc__, main)

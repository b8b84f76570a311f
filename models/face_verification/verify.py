"""Tells how many pairs of people who were not seen are taken rightly for the same person or for two.

usage: python models/face_verification/verify.py WEIGHTS     (in the folder with train.h5 and test.h5)

A pair is the same person where the two faces' 160 numbers, brought to length 1, lie nearer to each other than a
distance that is best for the pairs of train.h5.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

import caffelike


def distances(net: caffelike.Net, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each pair in <name>.h5, and whether it is the same person."""
    with h5py.File(f"{name}.h5") as file:
        pairs, same = file["pair"][:], file["same"][:] == 1
    found = []
    for start in range(0, len(pairs), 100):
        faces = pairs[start : start + 100].reshape(-1, 3, *pairs.shape[2:])
        net.blobs["face"].reshape(*faces.shape)
        numbers = net.forward(face=faces)["deepid"]
        numbers = numbers / np.maximum(np.linalg.norm(numbers, axis=1, keepdims=True), 1e-9)
        found.append(np.linalg.norm(numbers[::2] - numbers[1::2], axis=1))
    return np.concatenate(found), same


def right(net: caffelike.Net) -> float:
    """The share of test.h5's pairs that are told rightly."""
    distance, same = distances(net, "train")
    order = np.argsort(distance)
    at = int(np.cumsum(np.where(same[order], 1, -1)).argmax())
    threshold = distance[order[at : at + 2]].mean()
    distance, same = distances(net, "test")
    return float(((distance < threshold) == same).mean())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    deploy = Path(__file__).resolve().parent / "deploy.prototxt"
    print(f"{right(caffelike.Net(deploy, caffelike.TEST, weights=sys.argv[1])):.2%} of the test pairs are right")

"""Grasping: can a gripper lift what is in a patch, at each of 18 angles?"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BATCH, SIDE, ANGLES = 128, 227, 18  # angles: 0, 10, ... 170 degrees
WIDTHS, FULL = (96, 256, 384, 384, 256), (4096, 1024)


def body(n: NetSpec, widths: tuple[int, ...], full: tuple[int, ...]) -> Any:
    """AlexNet's convolutions without groups, two full layers, a score for each angle."""
    top = n.data
    windows = ((11, 4, 0), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
    for i, (width, (kernel, stride, pad)) in enumerate(zip(widths, windows, strict=True), 1):
        top = n[f"conv{i}"] = L.Convolution(
            top, num_output=width, kernel_size=kernel, stride=stride, pad=pad, weight_filler={"type": "msra"}
        )
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        if i in (1, 2, 5):
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for i, size in enumerate(full, 6):
        top = n[f"fc{i}"] = L.InnerProduct(top, num_output=size, weight_filler={"type": "xavier"})
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        n[f"drop{i}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.score = L.InnerProduct(top, num_output=ANGLES, weight_filler={"type": "xavier"})
    return n.score


def net(
    train: bool,
    batch: int = BATCH,
    side: int = SIDE,
    widths: tuple[int, ...] = WIDTHS,
    full: tuple[int, ...] = FULL,
) -> Any:
    """data (N, 3, side, side) -> prob (N, 18), each by itself; when training the loss.

    label (N, 18): 1 where the grasp held, 0 where it slipped, -1 where that angle was not tried, which does not count.
    """
    n = NetSpec()
    if train:
        n.data, n.label = L.HDF5Data(ntop=2, source="patches.txt", batch_size=batch, shuffle=True)
    else:
        n.data = L.Input(shape={"dim": [1, 3, side, side]})
    score = body(n, widths, full)
    if train:
        n.loss = L.SigmoidCrossEntropyLoss(score, n.label, loss_param={"ignore_label": -1})
    else:
        n.prob = L.Sigmoid(score)
    message = n.to_proto()
    message.name = "Grasp"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

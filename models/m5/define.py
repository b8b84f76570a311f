"""M5: convolutions along raw sound."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BATCH, LENGTH, CLASSES = 64, 32000, 10  # four seconds at 8 kHz; UrbanSound8k's classes
WIDTHS = (128, 128, 256, 512)


def body(n: NetSpec, widths: tuple[int, ...], classes: int) -> Any:
    """Four convolutions, the first of 80 samples, each normalised and pooled by 4; the mean over time; a full layer."""
    top = n.data
    for i, width in enumerate(widths, 1):
        long, stride = (80, 4) if i == 1 else (3, 1)
        top = n[f"conv{i}"] = L.Convolution(
            top,
            num_output=width,
            kernel_h=1,
            kernel_w=long,
            stride_h=1,
            stride_w=stride,
            pad_h=0,
            pad_w=38 if i == 1 else 1,
            bias_term=False,
            weight_filler={"type": "msra"},
        )
        top = n[f"conv{i}/bn"] = L.BatchNorm(top)
        top = n[f"conv{i}/scale"] = L.Scale(top, bias_term=True)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_h=1, kernel_w=4, stride_h=1, stride_w=4)
    n.pool = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.score = L.InnerProduct(n.pool, num_output=classes, weight_filler={"type": "xavier"})
    return n.score


def net(
    train: bool, batch: int = BATCH, length: int = LENGTH, widths: tuple[int, ...] = WIDTHS, classes: int = CLASSES
) -> Any:
    """data (N, 1, 1, length), sound -> prob, or when training loss and accuracy of sounds from HDF5."""
    n = NetSpec()
    if train:
        n.data, n.label = L.HDF5Data(ntop=2, source="sounds.txt", batch_size=batch, shuffle=True)
    else:
        n.data = L.Input(shape={"dim": [1, 1, 1, length]})
    score = body(n, widths, classes)
    if train:
        n.loss = L.SoftmaxWithLoss(score, n.label)
        n.accuracy = L.Accuracy(score, n.label)
    else:
        n.prob = L.Softmax(score)
    message = n.to_proto()
    message.name = "M5"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

"""C3D: convolutions over space and time."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BATCH, FRAMES, SIDE, CLASSES = 30, 16, 112, 487  # clips; Sports-1M's classes
WIDTHS, FULL = (64, 128, 256, 512, 512), 4096
CONVOLUTIONS = ("1a", "2a", "3a", "3b", "4a", "4b", "5a", "5b")


def body(n: NetSpec, widths: tuple[int, ...], full: int, classes: int, dropout: float) -> Any:
    """Eight convolutions of 3 x 3 x 3, five poolings, the first of which leaves time alone, three full layers."""
    top = n.data
    for name, following in zip(CONVOLUTIONS, (*CONVOLUTIONS[1:], ""), strict=True):
        stage = int(name[0])
        window = {"kernel_size": 3, "kernel_depth": 3, "pad": 1, "temporal_pad": 1, "stride": 1, "temporal_stride": 1}
        top = n[f"conv{name}"] = L.Convolution3D(
            top,
            convolution3d_param={
                "num_output": widths[stage - 1],
                **window,
                "weight_filler": {"type": "msra"},
            },
        )
        n[f"relu{name}"] = L.ReLU(top, in_place=True)
        if name[0] != following[:1]:
            depth = 1 if stage == 1 else 2
            pooled = {"kernel_size": 2, "kernel_depth": depth, "stride": 2, "temporal_stride": depth}
            top = n[f"pool{stage}"] = L.Pooling3D(top, pooling3d_param={"pool": P.Pooling.MAX, **pooled})
    for name in ("6", "7"):
        top = n[f"fc{name}"] = L.InnerProduct(top, num_output=full, weight_filler={"type": "xavier"})
        n[f"relu{name}"] = L.ReLU(top, in_place=True)
        n[f"drop{name}"] = L.Dropout(top, in_place=True, dropout_ratio=dropout)
    n.fc8 = L.InnerProduct(top, num_output=classes, weight_filler={"type": "xavier"})
    return n.fc8


def net(
    train: bool,
    batch: int = BATCH,
    side: int = SIDE,
    widths: tuple[int, ...] = WIDTHS,
    full: int = FULL,
    classes: int = CLASSES,
    dropout: float = 0.5,
) -> Any:
    """data (N, 3, FRAMES, side, side) -> prob, or when training loss and accuracy of clips from HDF5."""
    n = NetSpec()
    if train:
        n.data, n.label = L.HDF5Data(ntop=2, source="clips.txt", batch_size=batch, shuffle=True)
    else:
        n.data = L.Input(shape={"dim": [1, 3, FRAMES, side, side]})
    score = body(n, widths, full, classes, dropout)
    if train:
        n.loss = L.SoftmaxWithLoss(score, n.label)
        n.accuracy = L.Accuracy(score, n.label)
    else:
        n.prob = L.Softmax(score)
    message = n.to_proto()
    message.name = "C3D"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

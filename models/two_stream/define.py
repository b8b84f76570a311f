"""Two-stream action recognition: one net looks at a frame, one at the optical flow; their opinions are averaged."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BATCH, SIDE, CLASSES = 32, 224, 101  # UCF-101's classes
FLOWS = 10  # between as many pairs of frames, each with a horizontal and a vertical part
STREAMS = {"spatial": ("frame", 3), "temporal": ("flow", 2 * FLOWS)}  # name -> blob and its channels
WIDTHS, FULL = (96, 256, 512, 512, 512), (4096, 2048)


def stream(n: NetSpec, top: Any, name: str, widths: tuple[int, ...], full: tuple[int, ...], classes: int) -> Any:
    """CNN-M-2048: five convolutions, three full layers -> scores; no normalisation behind the second convolution."""
    for i, (width, kernel, stride) in enumerate(zip(widths, (7, 5, 3, 3, 3), (2, 2, 1, 1, 1), strict=True), 1):
        top = n[f"{name}/conv{i}"] = L.Convolution(
            top,
            num_output=width,
            kernel_size=kernel,
            stride=stride,
            pad=0 if i == 1 else 1,
            weight_filler={"type": "msra"},
        )
        n[f"{name}/relu{i}"] = L.ReLU(top, in_place=True)
        if i == 1:
            top = n[f"{name}/norm1"] = L.LRN(top, local_size=5, alpha=5e-4, beta=0.75, k=2)
        if i in (1, 2, 5):
            top = n[f"{name}/pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for i, size in enumerate(full, 6):
        top = n[f"{name}/fc{i}"] = L.InnerProduct(top, num_output=size, weight_filler={"type": "xavier"})
        n[f"{name}/relu{i}"] = L.ReLU(top, in_place=True)
        n[f"{name}/drop{i}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    top = n[f"{name}/fc8"] = L.InnerProduct(top, num_output=classes, weight_filler={"type": "xavier"})
    return top


def net(
    train: bool,
    batch: int = BATCH,
    side: int = SIDE,
    widths: tuple[int, ...] = WIDTHS,
    full: tuple[int, ...] = FULL,
    classes: int = CLASSES,
) -> Any:
    """frame (N, 3, side, side) and flow (N, 20, side, side) -> prob; when training each stream has its own loss."""
    n = NetSpec()
    if train:
        n.frame, n.flow, n.label = L.HDF5Data(ntop=3, source="clips.txt", batch_size=batch, shuffle=True)
    else:
        for blob, channels in STREAMS.values():
            n[blob] = L.Input(shape={"dim": [1, channels, side, side]})
    scores = {name: stream(n, n[blob], name, widths, full, classes) for name, (blob, _) in STREAMS.items()}
    if train:
        for name, score in scores.items():
            n[f"{name}/loss"] = L.SoftmaxWithLoss(score, n.label)
    else:
        for name, score in scores.items():
            n[f"{name}/prob"] = L.Softmax(score)
        n.prob = L.Eltwise(*(n[f"{name}/prob"] for name in scores), operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
    message = n.to_proto()
    message.name = "TwoStream"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

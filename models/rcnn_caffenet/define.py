"""R-CNN: CaffeNet on windows of images."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import two_stage
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN

SIDE, CLASSES = 227, 200  # pixels of a window; kinds of objects in ILSVRC 2013
CONVOLUTIONS = ((96, 11, 1), (256, 5, 2), (384, 3, 1), (384, 3, 2), (256, 3, 2))
"""Channels, kernel, groups."""
LEARN = writing.LEARN
LEARN_FAST = [{"lr_mult": 10, "decay_mult": 1}, {"lr_mult": 20, "decay_mult": 0}]


def windows(phase: int, side: int) -> Any:
    """data, label: windows of the images in a window file, a quarter of them objects."""
    return L.WindowData(
        ntop=2,
        source=f"window_file_{'train' if phase == TRAIN else 'val'}.txt",
        batch_size=128,
        fg_threshold=0.5,
        bg_threshold=0.5,
        fg_fraction=0.25,
        context_pad=16,
        transform_param={"crop_size": side, "mirror": phase == TRAIN, "mean_value": [104, 117, 123]},
        include={"phase": phase},
    )


def features(n: NetSpec, top: Any, share: float, hidden: int) -> Any:
    """CaffeNet as far as fc7. share: of its convolutions' channels; hidden: outputs of the full layers."""
    for i, (channels, size, groups) in enumerate(CONVOLUTIONS, 1):
        where = {"stride": 4} if i == 1 else {"pad": size // 2, "group": groups}
        top = n[f"conv{i}"] = L.Convolution(
            top,
            num_output=round(channels * share),
            kernel_size=size,
            weight_filler={"type": "gaussian", "std": 0.01} if share == 1 else {"type": "msra"},
            param=LEARN,
            **where,
        )
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        if i in (1, 2, 5):
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        if i in (1, 2):
            top = n[f"norm{i}"] = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
    for i in (6, 7):
        top = n[f"fc{i}"] = L.InnerProduct(top, num_output=hidden, weight_filler={"type": "xavier"}, param=LEARN)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        n[f"drop{i}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    return top


def net(train: bool, side: int = SIDE, classes: int = CLASSES, share: float = 1, hidden: int = 4096) -> Any:
    """data (N, 3, side, side) -> fc-rcnn (N, classes); for training fc8_finetune (N, 1 + classes), loss, accuracy."""
    n = NetSpec()
    if not train:
        n.data = L.Input(shape={"dim": [10, 3, side, side]})
        n["fc-rcnn"] = L.InnerProduct(features(n, n.data, share, hidden), num_output=classes)
        return two_stage.named(n, "RCNN_CaffeNet")
    n.data, n.label = windows(TRAIN, side)
    n.fc8_finetune = L.InnerProduct(
        features(n, n.data, share, hidden),
        num_output=1 + classes,
        weight_filler={"type": "gaussian", "std": 0.01},
        param=LEARN_FAST,
    )
    n.loss = L.SoftmaxWithLoss(n.fc8_finetune, n.label)
    n.accuracy = L.Accuracy(n.fc8_finetune, n.label, include={"phase": TEST})
    message = two_stage.named(n, "RCNN_CaffeNet")
    t = NetSpec()
    t.data, t.label = windows(TEST, side)
    first, *rest = message.layer
    del message.layer[:]
    message.layer.extend([first, *t.to_proto().layer, *rest])
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})

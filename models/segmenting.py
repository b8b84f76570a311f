"""What the definitions of nets that label every pixel share: where images and labels come from, losses, and sizes."""

from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter

MEANS = [104.00699, 116.66877, 122.67892]  # of ImageNet's photographs: blue, green, red
MSRA = {"type": "msra"}
UNLABELLED = 255  # the label of pixels that count nowhere


def pairs(lists: dict[int, str], net: Any, batch: int = 1, crop: int = 0, means: list[float] | None = None) -> Any:
    """`net` behind two layers that read images and label images: data and label, from a list for each phase.

    lists: the files, by phase: lines `image.jpg labels.png`. crop: side of the squares that are cut out; 0: whole
    images. means: subtracted from the channels.
    """
    n = NetSpec()
    sources = []
    for phase in (TRAIN, TEST):
        transform: dict[str, Any] = {"mean_value": means or MEANS, "mirror": phase == TRAIN}
        if crop:
            transform["crop_size"] = crop
        n.data, n.label = L.ImageSegData(
            ntop=2,
            include={"phase": phase},
            transform_param=transform,
            image_data_param={
                "source": lists[phase],
                "root_folder": "./",
                "batch_size": batch if phase == TRAIN else 1,
                "shuffle": phase == TRAIN,
                "label_type": P.ImageData.PIXEL,
            },
        )
        sources += list(n.to_proto().layer)
        n = NetSpec()
    return NetParameter(name=net.name, layer=[*sources, *(layer for layer in net.layer if layer.type != "Input")])


VOC = {TRAIN: "train.txt", TEST: "val.txt"}


def inputs(n: NetSpec, train: bool, batch: int, channels: int, height: int, width: int = 0) -> None:
    """data (batch, channels, height, width), square without a width, and for training label (batch, 1, same)."""
    n.data = L.Input(shape={"dim": [batch, channels, height, width or height]})
    if train:
        n.label = L.Input(shape={"dim": [batch, 1, height, width or height]})


def judge(n: NetSpec, score: Any, label: Any, ignore: int = UNLABELLED, **loss: Any) -> None:
    """The loss, and in the test phase the share of labelled pixels that are right."""
    n.loss = L.SoftmaxWithLoss(score, label, loss_param={"ignore_label": ignore} | loss)
    n.accuracy = L.Accuracy(score, label, ignore_label=ignore, include={"phase": TEST})


def named(n: NetSpec, name: str) -> Any:
    """The net as a message."""
    message = n.to_proto()
    message.name = name
    return message

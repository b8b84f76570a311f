"""U-Net: a contracting path of five levels, and an expanding one that is handed the maps of each level."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import segmenting
import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter

XAVIER = {"type": "xavier"}
WIDTHS = (64, 128, 256, 512, 1024)
LOST = (
    88,
    40,
    16,
    4,
)  # pixels at each border, level by level, that the way down and up again has taken without padding


def net(
    train: bool,
    classes: int = 2,
    size: int = 572,
    batch: int = 1,
    widths: tuple[int, ...] = WIDTHS,
    channels: int = 1,
    pad: int = 0,
    last: int = 128,
    dropout: float = 0.5,
) -> Any:
    """data (batch, channels, size, size) -> score (batch, classes, s, s); when training, with label the loss.

    pad: 0 as published: s is size - 184; 1: s is size, a multiple of 16. last: channels of the last enlarging layer.
    dropout: in the two lowest levels.
    """
    n = NetSpec()
    segmenting.inputs(n, train, batch, channels, size)

    def convolution(top: Any, name: str, relu: str, width: int) -> Any:
        top = n[name] = L.Convolution(top, num_output=width, kernel_size=3, pad=pad, weight_filler=XAVIER, param=LEARN)
        n[relu] = L.ReLU(top, in_place=True)
        return top

    top, maps = n.data, []
    for level, width in enumerate(widths):
        top = convolution(top, f"conv_d{level}a-b", f"relu_d{level}b", width)
        top = convolution(top, f"conv_d{level}b-c", f"relu_d{level}c", width)
        if level >= len(widths) - 2:
            n[f"dropout_d{level}c"] = L.Dropout(top, in_place=True, dropout_ratio=dropout)
        maps.append(top)
        if level < len(widths) - 1:
            top = n[f"pool_d{level}c-{level + 1}a"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    below = f"d{len(widths) - 1}c"
    for level in reversed(range(len(widths) - 1)):
        width = widths[level]
        top = n[f"upconv_{below}_u{level}a"] = L.Deconvolution(
            top,
            convolution_param={
                "num_output": width if level else last,
                "kernel_size": 2,
                "stride": 2,
                "weight_filler": XAVIER,
            },
            param=LEARN,
        )
        n[f"relu_u{level}a"] = L.ReLU(top, in_place=True)
        crop = n[f"crop_d{level}c-d{level}cc"] = L.Crop(maps[level], top, offset=0 if pad else LOST[level])
        top = n[f"concat_d{level}cc_u{level}a-b"] = L.Concat(top, crop)
        top = convolution(top, f"conv_u{level}b-c", f"relu_u{level}c", width)
        top = convolution(top, f"conv_u{level}c-d", f"relu_u{level}d", width)
        below = f"u{level}d"
    n["conv_u0d-score"] = L.Convolution(top, num_output=classes, kernel_size=1, weight_filler=XAVIER, param=LEARN)
    if train:
        segmenting.judge(n, n["conv_u0d-score"], n.label)
    else:
        n.prob = L.Softmax(n["conv_u0d-score"])
    return segmenting.named(n, "U-Net")


def from_files() -> Any:
    """The net for training, behind HDF5 files with tiles and the labels of their inner parts."""
    body, sources = net(train=True), []
    for phase in (TRAIN, TEST):
        n = NetSpec()
        n.data, n.label = L.HDF5Data(
            ntop=2, source=segmenting.VOC[phase], batch_size=1, shuffle=phase == TRAIN, include={"phase": phase}
        )
        sources += list(n.to_proto().layer)
    return NetParameter(name=body.name, layer=[*sources, *(layer for layer in body.layer if layer.type != "Input")])


if __name__ == "__main__":
    writing.save(__file__, {"deploy.prototxt": net(train=False), "train_val.prototxt": from_files()})

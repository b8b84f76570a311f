"""YOLO v1: 24 convolutions and two full layers; 7 x 7 cells, two boxes and the probabilities of 20 classes in each."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

CELLS, BOXES, CLASSES, SIZE = 7, 2, 20, 448
# Channels, kernel and stride of conv1 to conv24; "M": 2x2 pooling
CONVOLUTIONS = (
    *((64, 7, 2), "M", (192, 3, 1), "M", (128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1), "M"),
    *((256, 1, 1), (512, 3, 1)) * 4,
    *((512, 1, 1), (1024, 3, 1), "M"),
    *((512, 1, 1), (1024, 3, 1)) * 2,
    *((1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1)),
)


def net(width: int = 1) -> Any:
    """data (1, 3, SIZE, SIZE) -> result (1, 1470); width: divides the hidden layers' sizes, for narrow forms."""
    n = NetSpec()
    top = n.data = L.Input(shape={"dim": [1, 3, SIZE, SIZE]})
    i = 0
    for part in CONVOLUTIONS:
        if isinstance(part, str):
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
            continue
        i += 1
        channels, size, stride = part
        top = n[f"conv{i}"] = L.Convolution(
            top,
            num_output=channels // width,
            kernel_size=size,
            stride=stride,
            pad=size // 2,
            weight_filler={"type": "msra"},
        )
        n[f"relu{i}"] = L.ReLU(top, in_place=True, negative_slope=0.1)
    n.fc25 = L.InnerProduct(top, num_output=4096 // width, weight_filler={"type": "xavier"})
    n.relu25 = L.ReLU(n.fc25, in_place=True, negative_slope=0.1)
    numbers = CELLS**2 * (CLASSES + 5 * BOXES)
    n.result = L.InnerProduct(n.fc25, name="fc26", num_output=numbers, weight_filler={"type": "xavier"})
    message = n.to_proto()
    message.name = "YOLO v1"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"deploy.prototxt": net()})

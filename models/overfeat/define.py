"""OverFeat's fast model: large strides at first, wide 3x3 convolutions, three fully connected layers."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

GAUSSIAN = {"type": "gaussian", "std": 0.01}
# Channels, kernel, stride, pad, and whether a 2x2 max pooling follows: the paper's table 1.
CONVOLUTIONS = (
    (96, 11, 4, 0, True),
    (256, 5, 1, 0, True),
    (512, 3, 1, 1, False),
    (1024, 3, 1, 1, False),
    (1024, 3, 1, 1, True),
)


def body(n: NetSpec, top: Any, train: bool) -> Any:
    """The scores fc8."""
    for i, (channels, size, stride, pad, pooled) in enumerate(CONVOLUTIONS, 1):
        top = n[f"conv{i}"] = L.Convolution(
            top, num_output=channels, kernel_size=size, stride=stride, pad=pad, weight_filler=GAUSSIAN, param=LEARN
        )
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        if pooled:
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    for i, outputs in ((6, 3072), (7, 4096)):
        top = n[f"fc{i}"] = L.InnerProduct(top, num_output=outputs, weight_filler=GAUSSIAN, param=LEARN)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        n[f"drop{i}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.fc8 = L.InnerProduct(top, num_output=1000, weight_filler=GAUSSIAN, param=LEARN)
    return n.fc8


if __name__ == "__main__":
    writing.main(__file__, "OverFeat", body, 231, (128, 50))

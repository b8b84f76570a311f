"""VGG's configuration D: five groups of 3x3 convolutions, three fully connected layers."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

GROUPS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions, channels
GAUSSIAN = {"type": "gaussian", "std": 0.01}


def body(n: NetSpec, top: Any, train: bool) -> Any:
    """The scores fc8."""
    for group, (count, channels) in enumerate(GROUPS, 1):
        for i in range(1, count + 1):
            name = f"conv{group}_{i}"
            top = n[name] = L.Convolution(
                top, num_output=channels, kernel_size=3, pad=1, weight_filler=GAUSSIAN, param=LEARN
            )
            n[f"relu{group}_{i}"] = L.ReLU(top, in_place=True)
        top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    for fc, outputs in ((6, 4096), (7, 4096)):
        top = n[f"fc{fc}"] = L.InnerProduct(
            top, num_output=outputs, weight_filler={"type": "gaussian", "std": 0.005}, param=LEARN
        )
        n[f"relu{fc}"] = L.ReLU(top, in_place=True)
        n[f"drop{fc}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.fc8 = L.InnerProduct(top, num_output=1000, weight_filler=GAUSSIAN, param=LEARN)
    return n.fc8


if __name__ == "__main__":
    writing.main(__file__, "VGG16", body, 224, (64, 25))

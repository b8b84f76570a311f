"""ZFNet: AlexNet with smaller, denser filters in its first layers, found by looking at what AlexNet's see."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

LAYERS = (
    ("conv1", 96, 7, 2, 1),
    ("conv2", 256, 5, 2, 0),
    ("conv3", 384, 3, 1, 1),
    ("conv4", 384, 3, 1, 1),
    ("conv5", 256, 3, 1, 1),
)
"""Name, channels, kernel, stride, pad."""


def body(n: NetSpec, top: Any, train: bool) -> Any:
    """The scores fc8."""
    for name, channels, size, stride, pad in LAYERS:
        top = n[name] = L.Convolution(
            top, num_output=channels, kernel_size=size, stride=stride, pad=pad,
            weight_filler={"type": "gaussian", "std": 0.01}, param=LEARN,
        )  # fmt: skip
        number = name[-1]
        n[f"relu{number}"] = L.ReLU(top, in_place=True)
        if number in "125":
            top = n[f"pool{number}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        if number in "12":
            top = n[f"norm{number}"] = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
    for fc in (6, 7):
        top = n[f"fc{fc}"] = L.InnerProduct(
            top, num_output=4096, weight_filler={"type": "gaussian", "std": 0.005}, param=LEARN
        )
        n[f"relu{fc}"] = L.ReLU(top, in_place=True)
        n[f"drop{fc}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.fc8 = L.InnerProduct(top, num_output=1000, weight_filler={"type": "gaussian", "std": 0.01}, param=LEARN)
    return n.fc8


if __name__ == "__main__":
    writing.main(__file__, "ZFNet", body, 224, (128, 25))

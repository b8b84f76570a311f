"""CIFAR-10 quick: three 5x5 convolutions and two fully connected layers; learns in minutes."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cifar
from cifar import convolution, pooling

from caffelike import NetSpec
from caffelike import layers as L


def body(n: NetSpec, data: Any) -> Any:
    """The scores ip2."""
    n.conv1 = convolution(data, 32, 0.0001)
    n.pool1 = pooling(n.conv1, "MAX")
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    top = n.pool1
    for i, channels in ((2, 32), (3, 64)):
        top = n[f"conv{i}"] = convolution(top, channels, 0.01)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        top = n[f"pool{i}"] = pooling(top, "AVE")
    for i, outputs in ((1, 64), (2, 10)):
        top = n[f"ip{i}"] = L.InnerProduct(
            top,
            num_output=outputs,
            weight_filler={"type": "gaussian", "std": 0.1},
            bias_filler={"type": "constant"},
            param=[{"lr_mult": 1}, {"lr_mult": 2}],
        )
    return n.ip2


if __name__ == "__main__":
    cifar.main(__file__, {"train_test.prototxt": ("CIFAR10_quick", body)})

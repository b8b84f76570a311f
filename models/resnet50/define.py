"""ResNet-50: sixteen bottleneck blocks in four stages, the stride in a block's first 1x1 convolution as published."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

STAGES = ((2, 3, 64), (3, 4, 128), (4, 6, 256), (5, 3, 512))  # number, blocks, channels inside a block


def normalised(n: NetSpec, bottom: Any, name: str, suffix: str, channels: int, size: int, stride: int = 1) -> Any:
    """Convolution without bias, BatchNorm, Scale; `suffix` follows bn and scale in their names."""
    top = n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=size,
        stride=stride,
        pad=size // 2,
        bias_term=False,
        weight_filler={"type": "msra"},
        param=[{"lr_mult": 1, "decay_mult": 1}],
    )
    n[f"bn{suffix}"] = L.BatchNorm(top, in_place=True)
    n[f"scale{suffix}"] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    return top


def block(n: NetSpec, bottom: Any, name: str, channels: int, stride: int, project: bool) -> Any:
    """1x1, 3x3, 1x1 to four times the channels, added to the shortcut."""
    shortcut = bottom
    if project:
        shortcut = normalised(n, bottom, f"res{name}_branch1", f"{name}_branch1", 4 * channels, 1, stride)
    top = bottom
    for part, width, size, step in (("2a", channels, 1, stride), ("2b", channels, 3, 1), ("2c", 4 * channels, 1, 1)):
        branch = f"{name}_branch{part}"
        top = normalised(n, top, f"res{branch}", branch, width, size, step)
        if part != "2c":
            n[f"res{branch}_relu"] = L.ReLU(top, in_place=True)
    n[f"res{name}"] = L.Eltwise(shortcut, top)
    n[f"res{name}_relu"] = L.ReLU(n[f"res{name}"], in_place=True)
    return n[f"res{name}"]


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores fc1000."""
    top = normalised(n, data, "conv1", "_conv1", 64, 7, 2)
    n["conv1_relu"] = L.ReLU(top, in_place=True)
    top = n.pool1 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for stage, blocks, channels in STAGES:
        for i in range(blocks):
            stride = 2 if i == 0 and stage > 2 else 1
            top = block(n, top, f"{stage}{'abcdef'[i]}", channels, stride, i == 0)
    n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n.fc1000 = L.InnerProduct(
        n.pool5, num_output=1000, weight_filler={"type": "msra"}, param=[{"decay_mult": 1}, {"decay_mult": 0}]
    )
    return n.fc1000


if __name__ == "__main__":
    writing.main(__file__, "ResNet-50", body, 224, (32, 25))

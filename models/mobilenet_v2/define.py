"""MobileNet v2: seventeen blocks that widen, filter each channel by itself, and narrow again."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Factor of widening, channels, blocks, stride of the first: table 2 of the paper."""


def filtered(
    n: NetSpec, bottom: Any, name: str, channels: int, size: int = 1, stride: int = 1, group: int = 1, relu: bool = True
) -> Any:
    """Convolution without bias, BatchNorm, Scale and ReLU6."""
    top = n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=size,
        stride=stride,
        pad=size // 2,
        group=group,
        bias_term=False,
        weight_filler={"type": "msra"},
        param=[{"lr_mult": 1, "decay_mult": 1}],
    )
    n[f"{name}/bn"] = L.BatchNorm(top, in_place=True, batch_norm_param={"eps": 1e-5})
    n[f"{name}/scale"] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    if relu:
        n[f"relu/{name.removeprefix('conv')}"] = L.ReLU6(top, in_place=True)
    return top


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores fc10."""
    top, channels = filtered(n, data, "conv1", 32, 3, 2), 32
    for stage, (factor, width, blocks, stride) in enumerate(STAGES, 2):
        for i in range(1, blocks + 1):
            name, step, inside = f"conv{stage}_{i}", stride if i == 1 else 1, channels * factor
            new = filtered(n, top, f"{name}/expand", inside) if factor > 1 else top
            new = filtered(n, new, f"{name}/dwise", inside, 3, step, inside)
            new = filtered(n, new, f"{name}/linear", width, relu=False)
            if channels == width and step == 1:
                new = n[f"block_{stage}_{i}"] = L.Eltwise(top, new)
            top, channels = new, width
    top = filtered(n, top, "conv9", 1280)
    n.pool9 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc10 = L.InnerProduct(n.pool9, num_output=1000, weight_filler={"type": "gaussian", "std": 0.01})
    return n.fc10


if __name__ == "__main__":
    writing.main(__file__, "MobileNet-v2", body, 224, (64, 25))

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
GROUPS = {2: 2, 3: 2, 4: 7, 5: 3, 6: 3}
"""How many of the blocks one after the other are named conv2_1, conv2_2, conv3_1, ... in the published net."""


def filtered(
    n: NetSpec, bottom: Any, name: str, channels: int, size: int = 1, stride: int = 1, group: int = 1, relu: bool = True
) -> Any:
    """Convolution without bias, BatchNorm, Scale and ReLU6."""
    top = n[name] = writing.convolution(
        bottom, channels, size, stride, group=group, param=[{"lr_mult": 1, "decay_mult": 1}]
    )
    n[f"{name}/bn"] = L.BatchNorm(top, in_place=True, batch_norm_param={"eps": 1e-5})
    n[f"{name}/scale"] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    if relu:
        n[f"relu{name.removeprefix('conv')}"] = L.ReLU6(top, in_place=True)
    return top


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores fc7. The first block has a convolution where nothing is widened, too, as the published net has."""
    top, channels = filtered(n, data, "conv1", 32, 3, 2), 32
    names = iter([f"{group}_{i}" for group, count in GROUPS.items() for i in range(1, count + 1)])
    for factor, width, blocks, stride in STAGES:
        for i in range(blocks):
            name, step, inside = next(names), 1 if i else stride, channels * factor
            new = filtered(n, top, f"conv{name}/expand", inside)
            new = filtered(n, new, f"conv{name}/dwise", inside, 3, step, inside)
            new = filtered(n, new, f"conv{name}/linear", width, relu=False)
            if channels == width and step == 1:
                new = n[f"block_{name}"] = L.Eltwise(top, new)
            top, channels = new, width
    top = filtered(n, top, "conv6_4", 1280)
    n.pool6 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc7 = L.Convolution(
        n.pool6, num_output=1000, kernel_size=1, weight_filler={"type": "gaussian", "std": 0.01}, param=writing.LEARN
    )
    return n.fc7


if __name__ == "__main__":
    writing.main(__file__, "MobileNet-v2", body, 224, (64, 25))

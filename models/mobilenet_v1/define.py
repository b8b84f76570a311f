"""MobileNet v1 at full width: depthwise 3x3 and pointwise 1x1 convolutions in turn."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

# Name, channels in, channels out, stride of the depthwise convolution.
PAIRS = (
    ("2_1", 32, 64, 1),
    ("2_2", 64, 128, 2),
    ("3_1", 128, 128, 1),
    ("3_2", 128, 256, 2),
    ("4_1", 256, 256, 1),
    ("4_2", 256, 512, 2),
    *((f"5_{i}", 512, 512, 1) for i in range(1, 6)),
    ("5_6", 512, 1024, 2),
    ("6", 1024, 1024, 1),
)
MSRA = {"type": "msra"}


def normalised(n: NetSpec, bottom: Any, name: str, relu: str, channels: int, size: int, **options: int) -> Any:
    """Convolution without bias, BatchNorm, Scale, ReLU."""
    top = n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=size,
        pad=size // 2,
        bias_term=False,
        weight_filler=MSRA,
        param=[{"lr_mult": 1, "decay_mult": 1}],
        **options,
    )
    n[f"{name}/bn"] = L.BatchNorm(top, in_place=True)
    n[f"{name}/scale"] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    n[relu] = L.ReLU(top, in_place=True)
    return top


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores fc7, a 1x1 convolution on the pooled map."""
    top = normalised(n, data, "conv1", "relu1", 32, 3, stride=2)
    for name, inputs, outputs, stride in PAIRS:
        top = normalised(n, top, f"conv{name}/dw", f"relu{name}/dw", inputs, 3, stride=stride, group=inputs)
        top = normalised(n, top, f"conv{name}/sep", f"relu{name}/sep", outputs, 1)
    n.pool6 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc7 = L.Convolution(n.pool6, num_output=1000, kernel_size=1, weight_filler=MSRA)
    return n.fc7


if __name__ == "__main__":
    writing.main(__file__, "MobileNet v1", body, 224, (64, 25))

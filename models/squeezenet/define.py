"""SqueezeNet 1.0: eight fire modules, no fully connected layer."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
POOLED = {4, 8}  # a max pooling behind these
XAVIER = {"type": "xavier"}


def convolution(n: NetSpec, name: str, relu: str, bottom: Any, channels: int, size: int, pad: int = 0) -> Any:
    """A convolution and its ReLU."""
    top = n[name] = L.Convolution(bottom, num_output=channels, kernel_size=size, pad=pad, weight_filler=XAVIER)
    n[relu] = L.ReLU(top, in_place=True)
    return top


def fire(n: NetSpec, bottom: Any, number: int) -> Any:
    """Squeeze to few channels, then expand by 1x1 and 3x3 side by side."""
    p = f"fire{number}/"
    few, many = FIRES[number]
    top = convolution(n, p + "squeeze1x1", p + "relu_squeeze1x1", bottom, few, 1)
    left = convolution(n, p + "expand1x1", p + "relu_expand1x1", top, many, 1)
    right = convolution(n, p + "expand3x3", p + "relu_expand3x3", top, many, 3, 1)
    n[p + "concat"] = L.Concat(left, right)
    return n[p + "concat"]


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores pool10, the mean of each class's map."""
    n.conv1 = L.Convolution(data, num_output=96, kernel_size=7, stride=2, weight_filler=XAVIER)
    n.relu_conv1 = L.ReLU(n.conv1, in_place=True)
    top = n.pool1 = L.Pooling(n.conv1, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for number in FIRES:
        top = fire(n, top, number)
        if number in POOLED:
            top = n[f"pool{number}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    n.drop9 = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.conv10 = L.Convolution(
        top, num_output=1000, kernel_size=1, pad=1, weight_filler={"type": "gaussian", "mean": 0, "std": 0.01}
    )
    n.relu_conv10 = L.ReLU(n.conv10, in_place=True)
    n.pool10 = L.Pooling(n.conv10, pool=P.Pooling.AVE, global_pooling=True)
    return n.pool10


if __name__ == "__main__":
    writing.main(__file__, "SqueezeNet", body, 227, (32, 25))

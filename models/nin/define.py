"""Network in Network: small perceptrons slide over the image; the mean of a map is a class's score."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

GROUPS = (
    # channels, kernel, stride and pad of the convolution; channels of the 1x1 convolutions behind it
    ("conv1", 96, 11, 4, 0, (96, 96)),
    ("conv2", 256, 5, 1, 2, (256, 256)),
    ("conv3", 384, 3, 1, 1, (384, 384)),
    ("conv4", 1024, 3, 1, 1, (1024, 1000)),
)


def body(n: NetSpec, top: Any, train: bool) -> Any:
    """The scores: the means of the last maps."""
    number = 0
    for group, (name, channels, size, stride, pad, across) in enumerate(GROUPS, 1):
        top = n[name] = L.Convolution(
            top, num_output=channels, kernel_size=size, stride=stride, pad=pad,
            weight_filler={"type": "gaussian", "std": 0.01 if group in (1, 3) else 0.05}, param=LEARN,
        )  # fmt: skip
        n[f"relu_{name}"] = L.ReLU(top, in_place=True)
        for width in across:
            number += 1
            top = n[f"cccp{number}"] = L.Convolution(
                top, num_output=width, kernel_size=1, weight_filler={"type": "gaussian", "std": 0.05}, param=LEARN
            )
            n[f"relu_cccp{number}"] = L.ReLU(top, in_place=True)
        if group < 4:
            top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        if group == 3:
            n.drop = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.pool4 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.scores = L.Flatten(n.pool4)
    return n.scores


if __name__ == "__main__":
    writing.main(__file__, "NIN", body, 224, (64, 25))

"""GoogLeNet: nine inception modules, with both auxiliary classifiers while training."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

# Channels: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, projection behind the pooling. The paper's table 1.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED = {"3b": "pool3/3x3_s2", "4e": "pool4/3x3_s2"}  # a max pooling behind these
LRN = {"local_size": 5, "alpha": 0.0001, "beta": 0.75}
AUXILIARY = {"4a": "loss1", "4d": "loss2"}


def convolution(n: NetSpec, name: str, relu: str, bottom: Any, channels: int, size: int, **options: int) -> Any:
    """A convolution of odd size that keeps the map, and its ReLU."""
    top = n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=size,
        pad=size // 2,
        weight_filler={"type": "xavier"},
        bias_filler={"type": "constant", "value": 0.2},
        param=LEARN,
        **options,
    )
    n[relu] = L.ReLU(top, in_place=True)
    return top


def inception(n: NetSpec, bottom: Any, module: str) -> Any:
    """The four branches and their concatenation."""
    p = f"inception_{module}/"
    one, reduce3, three, reduce5, five, projection = MODULES[module]
    a = convolution(n, p + "1x1", p + "relu_1x1", bottom, one, 1)
    b = convolution(n, p + "3x3_reduce", p + "relu_3x3_reduce", bottom, reduce3, 1)
    b = convolution(n, p + "3x3", p + "relu_3x3", b, three, 3)
    c = convolution(n, p + "5x5_reduce", p + "relu_5x5_reduce", bottom, reduce5, 1)
    c = convolution(n, p + "5x5", p + "relu_5x5", c, five, 5)
    n[p + "pool"] = L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=1, pad=1)
    d = convolution(n, p + "pool_proj", p + "relu_pool_proj", n[p + "pool"], projection, 1)
    n[p + "output"] = L.Concat(a, b, c, d)
    return n[p + "output"]


def auxiliary(n: NetSpec, bottom: Any, name: str) -> None:
    """A classifier on a middle layer, its loss counted at 0.3."""
    p = f"{name}/"
    n[p + "ave_pool"] = L.Pooling(bottom, pool=P.Pooling.AVE, kernel_size=5, stride=3)
    top = convolution(n, p + "conv", p + "relu_conv", n[p + "ave_pool"], 128, 1)
    top = n[p + "fc"] = _product(top, 1024)
    n[p + "relu_fc"] = L.ReLU(top, in_place=True)
    n[p + "drop_fc"] = L.Dropout(top, in_place=True, dropout_ratio=0.7)
    n[p + "classifier"] = _product(top, 1000)
    n[p + "loss"] = L.SoftmaxWithLoss(n[p + "classifier"], n.label, loss_weight=0.3)


def _product(bottom: Any, outputs: int) -> Any:
    return L.InnerProduct(bottom, num_output=outputs, weight_filler={"type": "xavier"}, param=LEARN)


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores loss3/classifier."""
    n["conv1/7x7_s2"] = L.Convolution(
        data,
        num_output=64,
        kernel_size=7,
        stride=2,
        pad=3,
        weight_filler={"type": "xavier"},
        bias_filler={"type": "constant", "value": 0.2},
        param=LEARN,
    )
    n["conv1/relu_7x7"] = L.ReLU(n["conv1/7x7_s2"], in_place=True)
    n["pool1/3x3_s2"] = L.Pooling(n["conv1/7x7_s2"], pool=P.Pooling.MAX, kernel_size=3, stride=2)
    n["pool1/norm1"] = L.LRN(n["pool1/3x3_s2"], **LRN)
    top = convolution(n, "conv2/3x3_reduce", "conv2/relu_3x3_reduce", n["pool1/norm1"], 64, 1)
    top = convolution(n, "conv2/3x3", "conv2/relu_3x3", top, 192, 3)
    n["conv2/norm2"] = L.LRN(top, **LRN)
    top = n["pool2/3x3_s2"] = L.Pooling(n["conv2/norm2"], pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for module in MODULES:
        top = inception(n, top, module)
        if train and module in AUXILIARY:
            auxiliary(n, top, AUXILIARY[module])
        if module in POOLED:
            top = n[POOLED[module]] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    n["pool5/7x7_s1"] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n["pool5/drop_7x7_s1"] = L.Dropout(n["pool5/7x7_s1"], in_place=True, dropout_ratio=0.4)
    n["loss3/classifier"] = _product(n["pool5/7x7_s1"], 1000)
    return n["loss3/classifier"]


def loss(n: NetSpec, scores: Any) -> None:
    """The main loss under its published name."""
    n["loss3/loss3"] = L.SoftmaxWithLoss(scores, n.label, loss_weight=1)


if __name__ == "__main__":
    writing.main(__file__, "GoogLeNet", body, 224, (32, 50), loss)

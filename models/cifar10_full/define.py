"""CIFAR-10 full: three 5x5 convolutions with normalisation, one fully connected layer; two variants with sigmoids."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cifar
from cifar import convolution, pooling

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

NORM = {"local_size": 3, "alpha": 5e-5, "beta": 0.75, "norm_region": P.LRN.WITHIN_CHANNEL}


def scores(n: NetSpec, top: Any, decay: int) -> Any:
    """The scores ip1; its weights decay `decay` times as fast as the others."""
    n.ip1 = L.InnerProduct(
        top,
        num_output=10,
        weight_filler={"type": "gaussian", "std": 0.01},
        bias_filler={"type": "constant"},
        param=[{"lr_mult": 1, "decay_mult": decay}, {"lr_mult": 2, "decay_mult": 0}],
    )
    return n.ip1


def body(n: NetSpec, data: Any) -> Any:
    """With ReLU."""
    n.conv1 = convolution(data, 32, 0.0001)
    n.pool1 = pooling(n.conv1, "MAX")
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    n.norm1 = L.LRN(n.pool1, **NORM)
    n.conv2 = convolution(n.norm1, 32, 0.01)
    n.relu2 = L.ReLU(n.conv2, in_place=True)
    n.pool2 = pooling(n.conv2, "AVE")
    n.norm2 = L.LRN(n.pool2, **NORM)
    n.conv3 = convolution(n.norm2, 64, 0.01)
    n.relu3 = L.ReLU(n.conv3, in_place=True)
    n.pool3 = pooling(n.conv3, "AVE")
    return scores(n, n.pool3, 250)


def sigmoid(n: NetSpec, data: Any) -> Any:
    """With sigmoids for ReLU: it hardly learns, which is what the next variant is for."""
    n.conv1 = convolution(data, 32, 0.0001)
    n.pool1 = pooling(n.conv1, "MAX")
    n.sigmoid1 = L.Sigmoid(n.pool1, in_place=True)
    n.norm1 = L.LRN(n.pool1, **NORM)
    n.conv2 = convolution(n.norm1, 32, 0.01)
    n.sigmoid2 = L.Sigmoid(n.conv2, in_place=True)
    n.pool2 = pooling(n.conv2, "AVE")
    n.norm2 = L.LRN(n.pool2, **NORM)
    n.conv3 = convolution(n.norm2, 64, 0.01)
    n.sigmoid3 = L.Sigmoid(n.conv3, in_place=True)
    n.pool3 = pooling(n.conv3, "AVE")
    return scores(n, n.pool3, 250)


def sigmoid_bn(n: NetSpec, data: Any) -> Any:
    """With batch normalisation before each sigmoid, and no LRN."""
    top = data
    for i, (channels, std, method) in enumerate(((32, 0.0001, "MAX"), (32, 0.01, "AVE"), (64, 0.01, "AVE")), 1):
        top = n[f"conv{i}"] = convolution(top, channels, std, bias=False)
        if i == 1:
            top = n.pool1 = pooling(top, method)
        top = n[f"bn{i}"] = L.BatchNorm(top)
        n[f"sigmoid{i}"] = L.Sigmoid(top, in_place=True)
        if i > 1:
            top = n[f"pool{i}"] = pooling(top, method)
    return scores(n, top, 1)


if __name__ == "__main__":
    cifar.main(
        __file__,
        {
            "train_test.prototxt": ("CIFAR10_full", body),
            "sigmoid_train_test.prototxt": ("CIFAR10_full_sigmoid", sigmoid),
            "sigmoid_train_test_bn.prototxt": ("CIFAR10_full_sigmoid_bn", sigmoid_bn),
        },
    )

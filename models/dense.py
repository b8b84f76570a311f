"""Densely connected networks (Huang et al., CVPR 2017, table 1), for the define.py of each."""

from collections.abc import Sequence
from typing import Any

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P


def convolution(n: NetSpec, bottom: Any, name: str, channels: int, size: int, relu: str) -> Any:
    """BatchNorm, Scale and ReLU before a convolution without bias."""
    top = n[f"{name}/bn"] = L.BatchNorm(bottom, batch_norm_param={"eps": 1e-5})
    n[f"{name}/scale"] = L.Scale(top, in_place=True, bias_term=True)
    n[relu] = L.ReLU(top, in_place=True)
    top = n[name] = L.Convolution(
        top, num_output=channels, kernel_size=size, pad=size // 2, bias_term=False, weight_filler={"type": "msra"}
    )
    return top


def body(blocks: Sequence[int], growth: int, first: int) -> writing.Body:
    """The scores fc6. blocks: layers in each dense block; growth: channels that each adds; first: of conv1."""

    def build(n: NetSpec, data: Any, train: bool) -> Any:
        top = n.conv1 = L.Convolution(
            data, num_output=first, kernel_size=7, stride=2, pad=3, bias_term=False, weight_filler={"type": "msra"}
        )
        n["conv1/bn"] = L.BatchNorm(top, in_place=True, batch_norm_param={"eps": 1e-5})
        n["conv1/scale"] = L.Scale(top, in_place=True, bias_term=True)
        n.relu1 = L.ReLU(top, in_place=True)
        top = n.pool1 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1, round_mode=P.Pooling.FLOOR)
        channels = first
        for b, count in enumerate(blocks, 2):
            for i in range(1, count + 1):
                name = f"conv{b}_{i}"
                new = convolution(n, top, f"{name}/x1", 4 * growth, 1, f"relu{b}_{i}/x1")
                new = convolution(n, new, f"{name}/x2", growth, 3, f"relu{b}_{i}/x2")
                top = n[f"concat_{b}_{i}"] = L.Concat(top, new)
                channels += growth
            if b < len(blocks) + 1:
                channels //= 2
                top = convolution(n, top, f"conv{b}_blk", channels, 1, f"relu{b}_blk")
                top = n[f"pool{b}"] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=2, stride=2)
        top = n["conv5_blk/bn"] = L.BatchNorm(top, batch_norm_param={"eps": 1e-5})
        n["conv5_blk/scale"] = L.Scale(top, in_place=True, bias_term=True)
        n["relu5_blk"] = L.ReLU(top, in_place=True)
        n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
        n.fc6 = L.Convolution(n.pool5, num_output=1000, kernel_size=1, weight_filler={"type": "msra"})
        return n.fc6

    return build

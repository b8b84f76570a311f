"""Xception: convolutions taken apart into one a channel and one across channels, in twelve blocks with shortcuts."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P


def normalised(n: NetSpec, bottom: Any, name: str, channels: int, size: int = 1, stride: int = 1, pad: int = 0) -> Any:
    """Convolution without bias, BatchNorm, Scale."""
    top = n[name] = L.Convolution(
        bottom, num_output=channels, kernel_size=size, stride=stride, pad=pad, bias_term=False,
        weight_filler={"type": "msra"},
    )  # fmt: skip
    n[f"{name}_bn"] = L.BatchNorm(top, in_place=True, batch_norm_param={"eps": 1e-3})
    n[f"{name}_scale"] = L.Scale(top, in_place=True, bias_term=True)
    return top


def separable(n: NetSpec, bottom: Any, name: str, before: int, channels: int) -> Any:
    """A 3x3 convolution of each channel, then a 1x1 convolution across them, BatchNorm and Scale."""
    top = n[f"{name}_1"] = L.Convolution(
        bottom, num_output=before, kernel_size=3, pad=1, group=before, bias_term=False, weight_filler={"type": "msra"}
    )
    return normalised(n, top, f"{name}_2", channels)


def block(n: NetSpec, top: Any, number: int, before: int, widths: tuple[int, ...], down: bool) -> Any:
    """Separable convolutions with a ReLU before each, added to the shortcut; down: both at half the size."""
    name, shortcut = f"xception{number}", top
    if down:
        shortcut = normalised(n, top, f"{name}_match", widths[-1], stride=2)
    for i, width in enumerate(widths, 1):
        if i > 1 or number > 1:
            # not in place: the shortcut reads what is before it
            top = n[f"{name}_relu{i}"] = L.ReLU(top, **({} if i == 1 else {"in_place": True}))
        top = separable(n, top, f"{name}_conv{i}", before, width)
        before = width
    if down:
        top = n[f"{name}_pool"] = L.Pooling(
            top, pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1, round_mode=P.Pooling.FLOOR
        )
    top = n[f"{name}_elewise"] = L.Eltwise(shortcut, top)
    return top


def body(n: NetSpec, data: Any, train: bool) -> Any:
    """The scores classifier."""
    top = normalised(n, data, "conv1", 32, 3, 2)
    n.conv1_relu = L.ReLU(top, in_place=True)
    top = normalised(n, top, "conv2", 64, 3)
    n.conv2_relu = L.ReLU(top, in_place=True)
    before = 64
    for number, width in enumerate((128, 256, 728), 1):
        top, before = block(n, top, number, before, (width, width), True), width
    for number in range(4, 12):
        top = block(n, top, number, 728, (728, 728, 728), False)
    top = block(n, top, 12, 728, (728, 1024), True)
    before = 1024
    for i, width in enumerate((1536, 2048), 3):
        top, before = separable(n, top, f"conv{i}", before, width), width
        n[f"conv{i}_relu"] = L.ReLU(top, in_place=True)
    n.pool_ave = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.classifier = L.InnerProduct(n.pool_ave, num_output=1000, weight_filler={"type": "xavier"})
    return n.classifier


if __name__ == "__main__":
    writing.main(__file__, "Xception", body, 299, (32, 25))

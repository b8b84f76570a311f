"""ResNet-1001 for CIFAR-10: 333 bottleneck blocks whose shortcuts nothing is done to (pre-activation)."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cifar
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

CHANNELS = (64, 128, 256)  # of the sums in the three stages; a quarter of them inside a block


def convolution(bottom: Any, channels: int, size: int, stride: int = 1) -> Any:
    """Without a bias, initialised by the number of outputs as the authors' code does."""
    return writing.convolution(
        bottom, channels, size, stride, weight_filler={"type": "msra", "variance_norm": P.Filler.FAN_OUT}
    )


def activated(n: NetSpec, bottom: Any, name: str, in_place: bool = True) -> Any:
    """BatchNorm, Scale, ReLU; in place unless a shortcut needs `bottom` as it is."""
    top = n[f"{name}_bn"] = L.BatchNorm(bottom, in_place=in_place)
    n[f"{name}_scale"] = L.Scale(top, in_place=True, bias_term=True)
    n[f"{name}_relu"] = L.ReLU(top, in_place=True)
    return top


def block(n: NetSpec, bottom: Any, name: str, channels: int, first: bool, stride: int) -> Any:
    """`bottom` plus what 1x1, 3x3 and 1x1 convolutions make of it, each behind its own activation.

    first: in its stage: the shortcut is a 1x1 convolution that reads what the first activation gives.
    """
    top = activated(n, bottom, f"{name}_1", in_place=False)
    shortcut = bottom
    if first:
        shortcut = n[f"{name}_shortcut"] = convolution(top, channels, 1, stride)
    top = n[f"{name}_conv1"] = convolution(top, channels // 4, 1, stride)
    top = n[f"{name}_conv2"] = convolution(activated(n, top, f"{name}_2"), channels // 4, 3)
    top = n[f"{name}_conv3"] = convolution(activated(n, top, f"{name}_3"), channels, 1)
    n[name] = L.Eltwise(shortcut, top)
    return n[name]


def body(blocks: int) -> cifar.Body:
    """The scores of a net with `blocks` blocks in each stage, thus of 9 * blocks + 2 layers with weights."""

    def build(n: NetSpec, data: Any) -> Any:
        top = n.conv1 = convolution(data, 16, 3)
        for stage, channels in enumerate(CHANNELS):
            for i in range(blocks):
                stride = 2 if stage and not i else 1
                top = block(n, top, f"res{stage + 2}_{i + 1}", channels, first=not i, stride=stride)
        n.pool = L.Pooling(activated(n, top, "last", in_place=False), pool=P.Pooling.AVE, global_pooling=True)
        n.fc = L.InnerProduct(n.pool, num_output=10, weight_filler={"type": "xavier"})
        return n.fc

    return build


if __name__ == "__main__":
    whole = body(111)
    writing.save(
        __file__,
        {
            "deploy.prototxt": cifar.deployed("ResNet-1001", whole),
            "train_val.prototxt": cifar.trained("ResNet-1001", whole, train_batch=64, mirror=True),
        },
    )

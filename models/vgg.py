"""The configurations of the VGG paper (Simonyan and Zisserman, ICLR 2015, table 1), for the define.py of each."""

from typing import Any

import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

KERNELS = ((3,) * 2, (3,) * 2, (3,) * 3, (3,) * 3, (3,) * 3)  # configuration D
GAUSSIAN = {"type": "gaussian", "std": 0.01}
CHANNELS = (64, 128, 256, 512, 512)


def convolutions(
    n: NetSpec, top: Any, group: int, channels: int, kernels: tuple[int, ...], first: dict | None = None, **options: Any
) -> Any:
    """One group of convolutions, each with its ReLU; `options` of all of them, `first` of the first alone."""
    for i, size in enumerate(kernels, 1):
        given = {"pad": size // 2, "weight_filler": GAUSSIAN} | options | (first or {} if i == 1 else {})
        top = n[f"conv{group}_{i}"] = L.Convolution(top, num_output=channels, kernel_size=size, param=LEARN, **given)
        n[f"relu{group}_{i}"] = L.ReLU(top, in_place=True)
    return top


def body(sizes: tuple[tuple[int, ...], ...], lrn: bool = False) -> writing.Body:
    """The scores fc8 of a configuration: sizes: of the kernels, group by group; lrn: normalise behind the first."""

    def build(n: NetSpec, top: Any, train: bool) -> Any:
        for group, (kernels, channels) in enumerate(zip(sizes, CHANNELS, strict=True), 1):
            top = convolutions(n, top, group, channels, kernels)
            if lrn and group == 1:
                top = n.norm1 = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75, k=2)
            top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
        for fc in (6, 7):
            top = n[f"fc{fc}"] = L.InnerProduct(
                top, num_output=4096, weight_filler={"type": "gaussian", "std": 0.005}, param=LEARN
            )
            n[f"relu{fc}"] = L.ReLU(top, in_place=True)
            n[f"drop{fc}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
        n.fc8 = L.InnerProduct(top, num_output=1000, weight_filler=GAUSSIAN, param=LEARN)
        return n.fc8

    return build

"""Residual networks (He et al., CVPR 2016, table 1) and two of their descendants, for the define.py of each."""

from collections.abc import Sequence
from typing import Any

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P


def normalised(
    n: NetSpec,
    bottom: Any,
    name: str,
    suffix: str,
    channels: int,
    size: int,
    stride: int = 1,
    group: int = 1,
    bias: bool = False,
) -> Any:
    """Convolution, BatchNorm, Scale; `suffix` follows bn and scale in their names."""
    groups = {"group": group} if group > 1 else {}
    top = n[name] = writing.convolution(
        bottom, channels, size, stride, bias_term=bias, param=writing.LEARN if bias else writing.LEARN[:1], **groups
    )
    n[f"bn{suffix}"] = L.BatchNorm(top, in_place=True)
    n[f"scale{suffix}"] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    return top


def squeezed(n: NetSpec, top: Any, name: str, channels: int) -> Any:
    """A weight for each channel of `top` from what the whole map holds: squeeze and excitation."""
    names = [f"{name}_{part}" for part in ("global_pool", "1x1_down", "1x1_up", "prob")]
    weight = n[names[0]] = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    weight = n[names[1]] = L.Convolution(
        weight, num_output=channels // 16, kernel_size=1, weight_filler={"type": "msra"}
    )
    n[f"{names[1]}_relu"] = L.ReLU(weight, in_place=True)
    weight = n[names[2]] = L.Convolution(weight, num_output=channels, kernel_size=1, weight_filler={"type": "msra"})
    n[names[3]] = L.Sigmoid(weight, in_place=True)
    return weight


def body(
    blocks: Sequence[int],
    deep: bool = True,
    group: int = 1,
    width: int = 64,
    excite: bool = False,
    letters: bool = True,
    bias: bool = False,
) -> writing.Body:
    """The scores fc1000.

    blocks: in each of the four stages. deep: blocks of 1x1, 3x3, 1x1 convolutions to four times the channels, else of
    two 3x3. group, width: of the 3x3 convolutions in the first stage (ResNeXt: 32, 128). excite: squeeze and excitation
    in every block. letters: blocks are called a, b, c ..., else a, b1, b2 ... in the middle stages, as in the deeper
    published nets. bias: of conv1, as in the published net of 50 layers.
    """

    def block(n: NetSpec, bottom: Any, name: str, stage: int, stride: int) -> Any:
        inside, out = width << stage, (256 if deep else 64) << stage
        shortcut = bottom
        if name.endswith("a") and (deep or stage):
            shortcut = normalised(n, bottom, f"res{name}_branch1", f"{name}_branch1", out, 1, stride)
        parts = [("2a", inside, 1, stride, 1), ("2b", inside, 3, 1, group), ("2c", out, 1, 1, 1)]
        if group > 1:  # ResNeXt strides in the 3x3 convolution
            parts[0], parts[1] = ("2a", inside, 1, 1, 1), ("2b", inside, 3, stride, group)
        if not deep:
            parts = [("2a", out, 3, stride, 1), ("2b", out, 3, 1, 1)]
        top = bottom
        for part, channels, size, step, groups in parts:
            branch = f"{name}_branch{part}"
            top = normalised(n, top, f"res{branch}", branch, channels, size, step, groups)
            if part != parts[-1][0]:
                n[f"res{branch}_relu"] = L.ReLU(top, in_place=True)
        if excite:
            n[f"res{name}"] = L.Axpy(squeezed(n, top, f"res{name}", out), top, shortcut)
        else:
            n[f"res{name}"] = L.Eltwise(shortcut, top)
        n[f"res{name}_relu"] = L.ReLU(n[f"res{name}"], in_place=True)
        return n[f"res{name}"]

    def build(n: NetSpec, data: Any, train: bool) -> Any:
        top = normalised(n, data, "conv1", "_conv1", 64, 7, 2, bias=bias)
        n["conv1_relu"] = L.ReLU(top, in_place=True)
        top = n.pool1 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        for stage, count in enumerate(blocks):
            for i in range(count):
                numbered = not letters and stage in (1, 2)
                name = "a" if i == 0 else f"b{i}" if numbered else "abcdefgh"[i]
                top = block(n, top, f"{stage + 2}{name}", stage, 2 if i == 0 and stage else 1)
        n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
        n.fc1000 = L.InnerProduct(
            n.pool5, num_output=1000, weight_filler={"type": "msra"}, param=[{"decay_mult": 1}, {"decay_mult": 0}]
        )
        return n.fc1000

    return build

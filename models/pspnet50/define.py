"""PSPNet-50: a dilated ResNet-50, and the means of four grids of regions beside its last map."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import segmenting
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BLOCKS = (3, 4, 6, 3)
GRIDS = (6, 3, 2, 1)  # regions along each side


def net(train: bool, classes: int = 150, size: int = 473, batch: int = 1, width: int = 64, blocks: Any = BLOCKS) -> Any:
    """data (batch, 3, size, size) -> conv6_interp of the same size, where (size - 1) / 8 + 1 is a multiple of 6.

    When training, with label the loss, and at 0.4 that of a second head behind the fourth stage. width: channels of
    the first convolutions, from which all others follow.
    """
    n = NetSpec()
    segmenting.inputs(n, train, batch, 3, size)

    def normal(
        top: Any, name: str, channels: int, kernel: int = 1, rate: int = 1, relu: bool = True, **more: int
    ) -> Any:
        pad = more.get("dilation", 1) * (kernel // 2)
        top = n[name] = L.Convolution(
            top,
            num_output=channels,
            kernel_size=kernel,
            pad=pad,
            bias_term=False,
            weight_filler=segmenting.MSRA,
            param=[{"lr_mult": rate, "decay_mult": 1}],
            **more,
        )
        learned, kept = {"lr_mult": rate, "decay_mult": 0}, {"lr_mult": 0, "decay_mult": 0}
        n[f"{name}/bn"] = L.BN(
            top,
            in_place=True,
            param=[learned, learned, kept, kept],
            bn_param={
                "slope_filler": {"type": "constant", "value": 1},
                "bias_filler": {"type": "constant", "value": 0},
                "momentum": 0.95,
                "frozen": not train,
            },
        )
        if relu:
            n[f"{name}/relu"] = L.ReLU(top, in_place=True)
        return top

    top = normal(n.data, "conv1_1_3x3_s2", width, 3, stride=2)
    top = normal(top, "conv1_2_3x3", width, 3)
    top = normal(top, "conv1_3_3x3", 2 * width, 3)
    top = n.pool1_3x3_s2 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2, pad=1)
    for stage, count in enumerate(blocks, 2):
        inside = width << stage - 2
        gaps = {"dilation": 1 << stage - 3} if stage > 3 else {}
        for i in range(1, count + 1):
            name, step = f"conv{stage}_{i}", {"stride": 2} if (stage, i) == (3, 1) else {}
            new = normal(top, f"{name}_1x1_reduce", inside, **step)
            new = normal(new, f"{name}_3x3", inside, 3, **gaps)
            new = normal(new, f"{name}_1x1_increase", 4 * inside, relu=False)
            if i == 1:
                top = normal(top, f"{name}_1x1_proj", 4 * inside, relu=False, **step)
            top = n[name] = L.Eltwise(top, new)
            n[f"{name}/relu"] = L.ReLU(top, in_place=True)
        if train and stage == 4:
            middle = top
    last, side, means = f"conv5_{blocks[-1]}", (size - 1) // 8 + 1, []
    for grid in GRIDS:
        name = f"{last}_pool{grid}"
        mean = n[name] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=side // grid, stride=side // grid)
        mean = normal(mean, f"{name}_conv", 8 * width, rate=10)
        n[f"{name}_interp"] = L.Interp(mean, height=side, width=side)
        means.append(n[f"{name}_interp"])
    n[f"{last}_concat"] = L.Concat(top, *means)
    top = normal(n[f"{last}_concat"], "conv5_4", 8 * width, 3, rate=10)
    n["conv5_4/dropout"] = L.Dropout(top, in_place=True, dropout_ratio=0.1)
    n.conv6_interp = _scores(n, top, "conv6", classes)
    if train:
        segmenting.judge(n, n.conv6_interp, n.label)
        aside = normal(middle, "aux_3x3", 4 * width, 3, rate=10)
        n.aux_interp = _scores(n, aside, "aux", classes)
        n.aux_loss = L.SoftmaxWithLoss(
            n.aux_interp, n.label, loss_weight=0.4, loss_param={"ignore_label": segmenting.UNLABELLED}
        )
    return segmenting.named(n, "PSPNet-50")


def _scores(n: NetSpec, top: Any, name: str, classes: int) -> Any:
    n[name] = L.Convolution(
        top,
        num_output=classes,
        kernel_size=1,
        weight_filler=segmenting.MSRA,
        param=[{"lr_mult": 10, "decay_mult": 1}, {"lr_mult": 20, "decay_mult": 1}],
    )
    return L.Interp(n[name], zoom_factor=8)


if __name__ == "__main__":
    train_val = segmenting.pairs(segmenting.VOC, net(train=True), 2, 473)
    writing.save(__file__, {"deploy.prototxt": net(train=False), "train_val.prototxt": train_val})

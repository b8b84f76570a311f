"""HED: edges from five depths of VGG-16, each with a loss of its own, and from all of them together."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import segmenting
import vgg
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

PAD = 35  # of the input, so that every map covers it


def net(train: bool, classes: int = 1, size: int = 500, batch: int = 1, widths: tuple[int, ...] = vgg.CHANNELS) -> Any:
    """data (batch, 3, size, size) -> sigmoid-dsn1 to 5 and sigmoid-fuse of the same size; training: six losses.

    label (batch, 1, size, size): 1 on edges, 0 elsewhere. classes: kinds of edges, of which there is one.
    """
    n = NetSpec()
    segmenting.inputs(n, train, batch, 3, size)
    top, sides = n.data, []
    for group, (kernels, channels) in enumerate(zip(vgg.KERNELS, widths, strict=True), 1):
        if group > 1:
            top = n[f"pool{group - 1}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
        first = {"pad": PAD} if group == 1 else {}
        top = vgg.convolutions(n, top, group, channels, kernels, first, weight_filler=segmenting.MSRA)
        side = n[f"score-dsn{group}"] = L.Convolution(top, num_output=classes, kernel_size=1, param=_rates(0.01))
        factor, offset = 1 << group - 1, PAD - 1
        if group > 1:
            side = n[f"upsample_{factor}"] = L.Deconvolution(
                side,
                param=_rates(0),
                convolution_param={
                    "num_output": classes,
                    "kernel_size": 2 * factor,
                    "stride": factor,
                    "weight_filler": {"type": "bilinear"},
                },
            )
            offset += factor // 2
        n[f"upscore-dsn{group}"] = L.Crop(side, n.data, axis=2, offset=offset)
        sides.append(n[f"upscore-dsn{group}"])
    n["concat-upscore"] = L.Concat(*sides)
    n["new-score-weighting"] = L.Convolution(
        n["concat-upscore"],
        num_output=classes,
        kernel_size=1,
        weight_filler={"type": "constant", "value": 0.2},
        param=_rates(0.001),
    )
    names = [f"dsn{i}" for i in range(1, len(sides) + 1)]
    for name, score in zip([*names, "fuse"], [*sides, n["new-score-weighting"]], strict=True):
        if train:
            n[f"{name}_loss"] = L.SigmoidCrossEntropyLoss(
                score, n.label, loss_param={"normalization": P.Loss.NONE, "ignore_label": segmenting.UNLABELLED}
            )
        else:
            n[f"sigmoid-{name}"] = L.Sigmoid(score)
    return segmenting.named(n, "HED")


def _rates(weight: float) -> list[dict[str, float]]:
    return [{"lr_mult": weight, "decay_mult": 1}, {"lr_mult": 2 * weight, "decay_mult": 0}]


if __name__ == "__main__":
    train_val = segmenting.pairs(segmenting.VOC, net(train=True))
    writing.save(__file__, {"deploy.prototxt": net(train=False), "train_val.prototxt": train_val})

"""SegNet: the convolutions of VGG-16, and their mirror image, which enlarges by the places of the maxima."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import segmenting
import vgg
import writing
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter

VOID = 11  # CamVid's label of pixels that count nowhere
WEIGHTS = (0.2595, 0.1826, 4.564, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614)
"""Of CamVid's classes, against their shares of the pixels: as published."""


def net(
    train: bool,
    classes: int = 11,
    size: int = 360,
    width: int = 0,
    batch: int = 4,
    widths: tuple[int, ...] = vgg.CHANNELS,
    folded: bool | None = None,
    statistics: bool = False,
    void: int = segmenting.UNLABELLED,
    **loss: Any,
) -> Any:
    """data (batch, 3, size, width) -> scores conv1_1_D of the same size; when training, with label the loss.

    folded: whether the mean and variance of training images are part of the BN layers' numbers (see `fold`), which the
    net for prediction needs; not train if None. statistics: each BN layer NAME has tops NAME_mean and NAME_variance.
    """
    n = NetSpec()
    segmenting.inputs(n, train, batch, 3, size, width)
    folded = not train if folded is None else folded

    def normal(top: Any, name: str, channels: int) -> Any:
        top = n[name] = L.Convolution(
            top, num_output=channels, kernel_size=3, pad=1, weight_filler=segmenting.MSRA, param=LEARN
        )
        options = {
            "scale_filler": {"type": "constant", "value": 1},
            "shift_filler": {"type": "constant", "value": 0.001},
            "bn_mode": P.BN.INFERENCE if folded else P.BN.LEARN,
        }
        rates = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 1, "decay_mult": 0}]
        if statistics:
            top, n[f"{name}_mean"], n[f"{name}_variance"] = L.BN(top, ntop=3, bn_param=options, param=rates)
            n[f"{name}_bn"] = top
        else:
            n[f"{name}_bn"] = L.BN(top, in_place=True, bn_param=options, param=rates)
        n[f"relu{name.removeprefix('conv')}"] = L.ReLU(top, in_place=True)
        return top

    top, masks, sides = n.data, [], []
    side = (size, width or size)
    for group, (kernels, channels) in enumerate(zip(vgg.KERNELS, widths, strict=True), 1):
        for i in range(1, len(kernels) + 1):
            top = normal(top, f"conv{group}_{i}", channels)
        n[f"pool{group}"], n[f"pool{group}_mask"] = L.Pooling(top, ntop=2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
        top = n[f"pool{group}"]
        masks.append(n[f"pool{group}_mask"])
        sides.append(side)
        side = ((side[0] + 1) // 2, (side[1] + 1) // 2)
    for group in range(len(widths), 0, -1):
        high, wide = sides[group - 1]
        odd = {"upsample_h": high, "upsample_w": wide} if high % 2 or wide % 2 else {}
        top = n[f"upsample{group}"] = L.Upsample(top, masks[group - 1], scale=2, **odd)
        for i in range(len(vgg.KERNELS[group - 1]), 0, -1):
            name = f"conv{group}_{i}_D"
            if (group, i) == (1, 1):
                top = n[name] = L.Convolution(
                    top, num_output=classes, kernel_size=3, pad=1, weight_filler=segmenting.MSRA, param=LEARN
                )
            else:
                top = normal(top, name, widths[group - 1] if i > 1 else widths[group - 2])
    if train:
        segmenting.judge(n, top, n.label, void, **loss)
    else:
        n.prob = L.Softmax(top)
    return segmenting.named(n, "SegNet")


def fold(trained: Any, deploy: Any, batches: Any, **options: Any) -> None:
    """Give the net for prediction what a trained one knows, and the statistics of images.

    batches: arrays of images, all of one shape; options: those that `trained` was made with.
    y = slope (x - mean) / deviation + shift becomes (slope / deviation) x + (shift - slope mean / deviation).
    """
    from caffelike import Net

    looking = Net.build(net(train=False, folded=False, statistics=True, **options), TEST)
    looking.share_with(trained)
    sums: dict[str, list[Any]] = {}
    count = 0
    for batch in batches:
        count += 1
        looking.forward(data=batch)
        for name in trained.params:
            if name.endswith("_bn"):
                stem = name.removesuffix("_bn")
                found = [looking.blobs[f"{stem}_{kind}"].data.astype("f8") for kind in ("mean", "variance")]
                sums[name] = [a + b for a, b in zip(sums[name], found, strict=True)] if name in sums else found
    for name, blobs in trained.params.items():
        slope, shift = deploy.params[name]
        slope.data[...], shift.data[...] = (blob.data for blob in blobs)
        if name in sums:
            mean, variance = (total / count for total in sums[name])
            slope.data[...] = blobs[0].data / (variance + 1e-9) ** 0.5
            shift.data[...] = blobs[1].data - slope.data * mean


def from_files() -> Any:
    """The net for training, behind lists of images and their labels."""
    body = net(train=True, width=480, void=VOID, weight_by_label_freqs=True, class_weighting=WEIGHTS)
    sources = []
    for phase in (TRAIN, TEST):
        n = NetSpec()
        n.data, n.label = L.DenseImageData(
            ntop=2,
            dense_image_data_param={"source": segmenting.VOC[phase], "batch_size": 4, "shuffle": phase == TRAIN},
            include={"phase": phase},
        )
        sources += list(n.to_proto().layer)
    return NetParameter(name=body.name, layer=[*sources, *(layer for layer in body.layer if layer.type != "Input")])


if __name__ == "__main__":
    writing.save(__file__, {"deploy.prototxt": net(False, width=480, batch=1), "train_val.prototxt": from_files()})

"""DeepLab-LargeFOV: VGG-16 whose last layers look at every eighth pixel, with gaps between what they look at."""

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

TEN = [{"lr_mult": 10, "decay_mult": 1}, {"lr_mult": 20, "decay_mult": 0}]


def net(
    train: bool,
    classes: int = 21,
    size: int = 513,
    batch: int = 1,
    widths: tuple[int, ...] = vgg.CHANNELS,
    full: int = 1024,
) -> Any:
    """data (batch, 3, size, size) -> fc8_interp of the same size, where size - 1 is a multiple of 8.

    When training, the loss, over a label of which every eighth pixel is taken.
    """
    n = NetSpec()
    segmenting.inputs(n, train, batch, 3, size)
    top = n.data
    for group, (kernels, channels) in enumerate(zip(vgg.KERNELS, widths, strict=True), 1):
        gaps = {"pad": 2, "dilation": 2} if group == 5 else {}
        top = vgg.convolutions(n, top, group, channels, kernels, weight_filler=segmenting.MSRA, **gaps)
        stride = 2 if group < 4 else 1
        top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=stride, pad=1)
    top = n.pool5a = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=3, stride=1, pad=1)
    for fc, kernel in ((6, {"kernel_size": 3, "pad": 12, "dilation": 12}), (7, {"kernel_size": 1})):
        top = n[f"fc{fc}"] = L.Convolution(top, num_output=full, weight_filler=segmenting.MSRA, param=LEARN, **kernel)
        n[f"relu{fc}"] = L.ReLU(top, in_place=True)
        n[f"drop{fc}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    n.fc8_voc12 = L.Convolution(top, num_output=classes, kernel_size=1, weight_filler=vgg.GAUSSIAN, param=TEN)
    if train:
        n.label_shrink = L.Interp(n.label, shrink_factor=8)
        segmenting.judge(n, n.fc8_voc12, n.label_shrink)
    else:
        n.fc8_interp = L.Interp(n.fc8_voc12, zoom_factor=8)
    return segmenting.named(n, "DeepLab-LargeFOV")


if __name__ == "__main__":
    train_val = segmenting.pairs(segmenting.VOC, net(train=True, size=321), 20, 321)
    writing.save(__file__, {"deploy.prototxt": net(train=False), "train_val.prototxt": train_val})

"""Fully convolutional networks (Long, Shelhamer, Darrell, CVPR 2015) on VGG-16, for the define.py of each.

usage: python models/fcn.py NAME WEIGHTS OUT

Writes weights to begin from: OUT, a .caffemodel for NAME (fcn32s ...), gets what WEIGHTS (VGG-16's, or those of a
coarser FCN) has, its fully connected layers as convolutions, and bilinear kernels for enlarging.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import segmenting
import vgg
import writing
from writing import LEARN

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema.weights import read_weights

SKIPS = {"fcn32s": (), "fcn16s": (4,), "fcn8s": (4, 3)}  # the poolings whose maps are scored, too
OFFSETS = {5: 19, 4: 27, 3: 31}  # what the input's padding of 100 puts around the scores of the last of them
CROPS = {4: 5, 3: 9}  # and around a pooling's map


def net(
    name: str,
    train: bool,
    classes: int = 21,
    size: int = 500,
    batch: int = 1,
    widths: tuple[int, ...] = vgg.CHANNELS,
    full: int = 4096,
    **loss: Any,
) -> Any:
    """data (batch, 3, size, size) -> score (batch, classes, size, size); when training, with label the loss."""
    n = NetSpec()
    segmenting.inputs(n, train, batch, 3, size)
    top = n.data
    for group, (kernels, channels) in enumerate(zip(vgg.KERNELS, widths, strict=True), 1):
        first = {"pad": 100} if group == 1 else {}
        top = vgg.convolutions(n, top, group, channels, kernels, first, weight_filler=segmenting.MSRA)
        top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    for fc, kernel in ((6, 7), (7, 1)):
        top = n[f"fc{fc}"] = L.Convolution(
            top, num_output=full, kernel_size=kernel, weight_filler=segmenting.MSRA, param=LEARN
        )
        n[f"relu{fc}"] = L.ReLU(top, in_place=True)
        if train:
            n[f"drop{fc}"] = L.Dropout(top, in_place=True, dropout_ratio=0.5)
    top = n.score_fr = L.Convolution(top, num_output=classes, kernel_size=1, param=LEARN)
    skips, last, enlarge = SKIPS[name], 5, "upscore2"
    for last in skips:
        top = n[enlarge] = _enlarged(top, classes, 2)
        score, crop, fuse = f"score_pool{last}", f"score_pool{last}c", f"fuse_pool{last}"
        n[score] = L.Convolution(n[f"pool{last}"], num_output=classes, kernel_size=1, param=LEARN)
        n[crop] = L.Crop(n[score], top, axis=2, offset=CROPS[last])
        top = n[fuse] = L.Eltwise(top, n[crop])
        enlarge = f"upscore_pool{last}"
    enlarge = f"upscore{1 << last}" if skips else "upscore"
    n[enlarge] = _enlarged(top, classes, 1 << last)
    n.score = L.Crop(n[enlarge], n.data, axis=2, offset=OFFSETS[last])
    if train:
        segmenting.judge(n, n.score, n.label, **({"normalize": False} | loss))
    return segmenting.named(n, f"FCN-{name[3:]}")


def _enlarged(top: Any, classes: int, factor: int) -> Any:
    """Every class by itself, once `begin` has put the kernels there; they are not learned."""
    return L.Deconvolution(
        top,
        param=[{"lr_mult": 0}],
        convolution_param={"num_output": classes, "bias_term": False, "kernel_size": 2 * factor, "stride": factor},
    )


def begin(built: caffelike.Net, weights: Any = None) -> None:
    """Give a built net its bilinear kernels, and what `weights` (what read_weights gives) has for its layers.

    Fully connected layers there become convolutions here: their numbers stand in the same order.
    """
    stored = {layer.name: layer.blobs for layer in weights.layers} if weights else {}
    for name, blobs in built.params.items():
        if name.startswith("upscore"):
            kernel = blobs[0].data
            kernel[...] = 0
            kernel[np.arange(len(kernel)), np.arange(len(kernel))] = bilinear(kernel.shape[-1])
        for mine, theirs in zip(blobs, stored.get(name, ()), strict=False):
            if mine.count == theirs.count:
                mine.data.flat = theirs.data.flat


def bilinear(size: int) -> np.ndarray:
    """(size, size): the weights of a pixel that is enlarged size / 2 times, for its surroundings."""
    centre = (size - 1) / 2
    line = 1 - np.abs(np.arange(size) - centre) / (size // 2)
    return np.outer(line, line)


def define(script: str) -> None:
    """Write or check the definitions in the folder of `script`."""
    name = Path(script).resolve().parent.name
    train = segmenting.pairs(segmenting.VOC, net(name, train=True))
    writing.save(script, {"deploy.prototxt": net(name, train=False), "train_val.prototxt": train})


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    name, source, out = sys.argv[1:]
    start = caffelike.load(name)
    begin(start, read_weights(source))
    start.save(out)

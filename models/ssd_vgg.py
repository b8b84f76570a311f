"""VGG-16 with the extra layers that make it an SSD, for the define.py of each size."""

from typing import Any

import multibox
from vgg import CHANNELS
from writing import LEARN

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

HEAD = {"kernel_size": 3, "pad": 1, "weight_filler": {"type": "xavier"}, "param": LEARN}
GROUPS = (2, 2, 3, 3, 3)  # convolutions of each
# Channels of the 1x1 and the 3x3 convolution, and the latter's kernel, stride and padding
Extra = tuple[int, int, int, int, int]


def detector(
    size: int, maps: tuple[multibox.Map, ...], extras: tuple[Extra, ...], width: int = 1, classes: int = 21
) -> multibox.Detector:
    """The detector; width: divides all numbers of channels, for narrow forms."""

    def convolution(n: NetSpec, bottom: Any, name: str, relu: str, channels: int, kernel: int, **more: int) -> Any:
        top = n[name] = L.Convolution(
            bottom,
            num_output=channels // width,
            kernel_size=kernel,
            weight_filler={"type": "xavier"},
            param=LEARN,
            **more,
        )
        n[relu] = L.ReLU(top, in_place=True)
        return top

    def body(n: NetSpec, top: Any) -> None:
        for group, (count, channels) in enumerate(zip(GROUPS, CHANNELS, strict=True), 1):
            for i in range(1, count + 1):
                top = convolution(n, top, f"conv{group}_{i}", f"relu{group}_{i}", channels, 3, pad=1)
            window = {"kernel_size": 3, "stride": 1, "pad": 1} if group == 5 else {"kernel_size": 2, "stride": 2}
            top = n[f"pool{group}"] = L.Pooling(top, pool=P.Pooling.MAX, **window)
        top = convolution(n, top, "fc6", "relu6", 1024, 3, pad=6, dilation=6)
        top = convolution(n, top, "fc7", "relu7", 1024, 1)
        for i, (inside, out, kernel, stride, pad) in enumerate(extras, 6):
            top = convolution(n, top, f"conv{i}_1", f"conv{i}_1_relu", inside, 1)
            top = convolution(n, top, f"conv{i}_2", f"conv{i}_2_relu", out, kernel, stride=stride, pad=pad)

    return multibox.Detector(
        name=f"SSD {size} VGG-16",
        body=body,
        maps=maps,
        size=size,
        batches=(32, 8),
        transform={"mean_value": [104, 117, 123]},
        loc=HEAD,
        conf=HEAD,
        classes=classes,
    )

"""MobileNet-SSD: MobileNet v1 and four more pairs of layers; boxes on six maps of 19 to 1 places a side."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing
from multibox import Detector, Map

from caffelike import NetSpec
from caffelike import layers as L

MSRA = {"type": "msra"}
# Channels out and stride of conv1 to conv13, each a depthwise 3x3 convolution and a 1x1
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))  # conv14 to conv17: a 1x1 convolution and a 3x3 of stride 2
MAPS = (
    Map("conv11", 60, None, (2,)),
    Map("conv13", 105, 150),
    Map("conv14_2", 150, 195),
    Map("conv15_2", 195, 240),
    Map("conv16_2", 240, 285),
    Map("conv17_2", 285, 300),
)


def detector(width: int = 1, classes: int = 21, rate: float = 0.1) -> Detector:
    """The detector; width: divides all numbers of channels, for narrow forms.

    rate: lr_mult of all but the class scores: the published training goes on from weights that find COCO's boxes.
    """

    def normalised(n: NetSpec, bottom: Any, name: str, channels: int, size: int, **more: int) -> Any:
        top = n[name] = L.Convolution(
            bottom,
            num_output=channels // width,
            kernel_size=size,
            pad=size // 2,
            bias_term=False,
            weight_filler=MSRA,
            param=[{"lr_mult": rate, "decay_mult": rate}],
            **more,
        )
        n[f"{name}/bn"] = L.BatchNorm(top, in_place=True)
        n[f"{name}/scale"] = L.Scale(
            top,
            in_place=True,
            bias_term=True,
            param=[{"lr_mult": rate, "decay_mult": 0}, {"lr_mult": 2 * rate, "decay_mult": 0}],
        )
        n[f"{name}/relu"] = L.ReLU(top, in_place=True)
        return top

    def body(n: NetSpec, data: Any) -> None:
        inputs = 32
        top = normalised(n, data, "conv0", inputs, 3, stride=2)
        for i, (outputs, stride) in enumerate(PAIRS, 1):
            top = normalised(n, top, f"conv{i}/dw", inputs, 3, stride=stride, group=inputs // width)
            top = normalised(n, top, f"conv{i}", outputs, 1)
            inputs = outputs
        for i, (inside, outputs) in enumerate(EXTRAS, 14):
            top = normalised(n, top, f"conv{i}_1", inside, 1)
            top = normalised(n, top, f"conv{i}_2", outputs, 3, stride=2)

    def head(rate: float) -> dict[str, Any]:
        param = [{"lr_mult": rate, "decay_mult": rate}, {"lr_mult": 2 * rate, "decay_mult": 0}]
        return {"kernel_size": 1, "weight_filler": MSRA, "param": param}

    return Detector(
        name="MobileNet-SSD",
        body=body,
        maps=MAPS,
        size=300,
        batches=(24, 8),
        transform={"scale": 0.007843, "mean_value": [127.5, 127.5, 127.5]},
        loc=head(rate),
        conf=head(1),
        classes=classes,
        deploy={"nms_param": {"nms_threshold": 0.45, "top_k": 100}, "keep_top_k": 100, "confidence_threshold": 0.25},
    )


if __name__ == "__main__":
    writing.save(__file__, detector().files())

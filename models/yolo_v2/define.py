"""YOLO v2: Darknet-19 without its classifier, a finer map led past the last layers, five anchors at each place."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import darknet
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

# Channels of conv1 to conv20, 3x3 and 1x1 in turn where it says so; "M": 2x2 pooling
DARKNET = (
    *((32, 3), "M", (64, 3), "M", (128, 3), (64, 1), (128, 3), "M", (256, 3), (128, 1), (256, 3), "M"),
    *((512, 3), (256, 1), (512, 3), (256, 1), (512, 3), "M"),
    *((1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3)),
)
# Widths and heights of the anchors, in cells of 32 pixels: what COCO's boxes cluster to
ANCHORS = (0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828)


def detector(
    width: int = 1, classes: int = 80, anchors: tuple[float, ...] = ANCHORS, **options: Any
) -> darknet.Detector:
    """The detector; width: divides all numbers of channels, for narrow forms; `options`: see darknet.Detector."""
    boxes = len(anchors) // 2

    def convolution(n: NetSpec, top: Any, i: int, channels: int, size: int) -> Any:
        names = [f"{word}{i}" for word in ("conv", "bn", "scale", "relu")]
        return darknet.convolution(n, top, names, channels // width, size)

    def body(n: NetSpec, top: Any) -> darknet.Maps:
        i = 0
        for part in DARKNET:
            if isinstance(part, str):
                top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
                continue
            i += 1
            top = convolution(n, top, i, *part)
        n.reorg1 = L.Reorg(convolution(n, n.conv13, i + 1, 64, 1), stride=2)
        n.route2 = L.Concat(n.reorg1, top)
        top = convolution(n, n.route2, i + 2, 1024, 3)
        return (darknet.predictions(n, top, f"conv{i + 3}", boxes, classes),)

    def losses(n: NetSpec, maps: darknet.Maps, label: Any) -> None:
        n.region_loss = L.RegionLoss(
            *maps,
            label,
            loss_weight=1,
            num_class=classes,
            num=boxes,
            bias_match=1,
            rescore=1,
            object_scale=5,
            noobject_scale=1,
            class_scale=1,
            coord_scale=1,
            thresh=0.6,
            biases=list(anchors),
        )

    def found(n: NetSpec, maps: darknet.Maps, score: float) -> Any:
        return L.YoloDetectionOutput(
            *maps,
            num_classes=classes,
            num_box=boxes,
            confidence_threshold=score,
            nms_threshold=0.45,
            biases=list(anchors),
        )

    return darknet.Detector("YOLO v2", body, losses, found, classes, **options)


if __name__ == "__main__":
    writing.save(__file__, detector().files())

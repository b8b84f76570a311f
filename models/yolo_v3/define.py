"""YOLO v3: Darknet-53 without its classifier, and predictions on maps of three scales, three anchors each."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import darknet
import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

BLOCKS = (1, 2, 8, 8, 4)  # of each stage: 1x1, 3x3, plus what came in
# Widths and heights of the anchors in pixels: what COCO's boxes cluster to; the first three for the finest map
ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
STRIDES = (32, 16, 8)  # pixels from place to place, of each map
MASKS = ((6, 7, 8), (3, 4, 5), (0, 1, 2))  # the anchors of each map


def detector(width: int = 1, classes: int = 80, anchors: tuple[int, ...] = ANCHORS, **options: Any) -> darknet.Detector:
    """The detector; width: divides all numbers of channels, for narrow forms; `options`: see darknet.Detector."""

    def body(n: NetSpec, top: Any) -> darknet.Maps:
        count = 0

        def number() -> int:  # shortcuts, routes and the detectors' places count as well, as in Darknet
            nonlocal count
            count += 1
            return count

        def convolution(top: Any, channels: int, size: int, stride: int = 1) -> Any:
            i = number()
            names = [f"layer{i}-{word}" for word in ("conv", "bn", "scale", "act")]
            return darknet.convolution(n, top, names, channels // width, size, stride, eps=1e-4)

        top = convolution(top, 32, 3)
        stages = []
        for stage, blocks in enumerate(BLOCKS):
            channels = 64 << stage
            top = convolution(top, channels, 3, stride=2)
            for _ in range(blocks):
                inside = convolution(convolution(top, channels // 2, 1), channels, 3)
                name = f"layer{number()}-shortcut"
                top = n[name] = L.Eltwise(top, inside, operation=P.Eltwise.SUM)
            stages.append(top)
        maps = []
        for scale, channels in enumerate((512, 256, 128)):
            if scale:
                number()  # the route back to what the last map's predictions were made of
                top = convolution(top, channels, 1)
                name = f"layer{number()}-upsample"
                top = n[name] = L.Upsample(top, scale=2)
                name = f"layer{number()}-route"
                top = n[name] = L.Concat(top, stages[-1 - scale])
            for _ in range(2):
                top = convolution(convolution(top, channels, 1), 2 * channels, 3)
            top = convolution(top, channels, 1)
            last = convolution(top, 2 * channels, 3)
            maps.append(darknet.predictions(n, last, f"layer{number()}-conv", len(MASKS[scale]), classes))
            number()  # the detector's place
        return tuple(maps)

    def losses(n: NetSpec, maps: darknet.Maps, label: Any) -> None:
        for i, (top, stride, mask) in enumerate(zip(maps, STRIDES, MASKS, strict=True), 1):
            n[f"loss{i}"] = L.Yolov3(
                top,
                label,
                loss_weight=1,
                num_class=classes,
                num=len(mask),
                biases=list(anchors),
                mask=list(mask),
                anchors_scale=stride,
                object_scale=5,
                class_scale=1,
                coord_scale=1,
                thresh=0.7,
            )

    def found(n: NetSpec, maps: darknet.Maps, score: float) -> Any:
        return L.Yolov3DetectionOutput(
            *maps,
            num_classes=classes,
            num_box=len(MASKS[0]),
            confidence_threshold=score,
            nms_threshold=0.45,
            biases=list(anchors),
            anchors_scale=list(STRIDES),
            mask_group_num=len(MASKS),
            mask=[i for mask in MASKS for i in mask],
        )

    return darknet.Detector("YOLO v3", body, losses, found, classes, **options)


if __name__ == "__main__":
    writing.save(__file__, detector().files())

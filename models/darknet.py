"""What the YOLO detectors share (Redmon et al.), for the define.py of each: Darknet's layers, data, three nets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN

SIZES = tuple(range(320, 609, 32))  # of images while training: every batch has one of them
Maps = tuple[Any, ...]


@dataclass
class Detector:
    """A detector of `classes` classes (from 0) in images of size x size pixels.

    body: (net, data) -> the maps of predictions. losses: (net, maps, label); puts their losses into the net.
    found: (net, maps, least score) -> rows of detections. sizes: of images while training; batches: of training and
    testing.
    """

    name: str
    body: Callable[[NetSpec, Any], Maps]
    losses: Callable[[NetSpec, Maps, Any], None]
    found: Callable[[NetSpec, Maps, float], Any]
    classes: int
    size: int = 416
    sizes: Sequence[int] = SIZES
    batches: tuple[int, int] = (8, 8)

    def files(self) -> dict[str, Any]:
        """The definitions by the names of their files."""
        return {f"{kind}.prototxt": getattr(self, f"{kind}_net")() for kind in ("train", "test", "deploy")}

    def train_net(self) -> Any:
        """Images and boxes from a data base -> the losses."""
        n = NetSpec()
        n.data, n.label = annotated("coco_train_lmdb", self.sizes, self.batches[0], TRAIN)
        self.losses(n, self.body(n, n.data), n.label)
        return self._message(n, "train")

    def test_net(self) -> Any:
        """Images and boxes from a data base -> detection_eval, of which `caffelike test` makes a mAP."""
        n = NetSpec()
        n.data, n.label = annotated("coco_val_lmdb", (self.size,), self.batches[1], TEST)
        n.detection_out = self.found(n, self.body(n, n.data), 0.005)
        n.detection_eval = L.DetectionEvaluate(
            n.detection_out,
            n.label,
            num_classes=self.classes + 1,
            background_label_id=0,
            overlap_threshold=0.5,
            evaluate_difficult_gt=False,
            include={"phase": TEST},
        )
        return self._message(n, "test")

    def deploy_net(self) -> Any:
        """data (1, 3, size, size) -> detection_out (1, 1, boxes, 7)."""
        n = NetSpec()
        n.data = L.Input(shape={"dim": [1, 3, self.size, self.size]})
        n.detection_out = self.found(n, self.body(n, n.data), 0.25)
        return self._message(n, "deploy")

    def _message(self, n: NetSpec, kind: str) -> Any:
        message = n.to_proto()
        message.name = f"{self.name} {kind}"
        return message


def convolution(
    n: NetSpec, bottom: Any, names: Sequence[str], channels: int, size: int, stride: int = 1, eps: float | None = None
) -> Any:
    """Convolution without bias, BatchNorm, Scale, leaky ReLU; `names`: of these four layers."""
    name, norm, scale, activation = names
    top = n[name] = writing.convolution(bottom, channels, size, stride)
    n[norm] = L.BatchNorm(top, in_place=True, **({} if eps is None else {"eps": eps}))
    n[scale] = L.Scale(top, in_place=True, bias_term=True, param=[{"decay_mult": 0}, {"decay_mult": 0}])
    n[activation] = L.ReLU(top, in_place=True, negative_slope=0.1)
    return top


def predictions(n: NetSpec, bottom: Any, name: str, boxes: int, classes: int) -> Any:
    """For each of the boxes at a place 4 coordinates, an objectness, and classes: a 1x1 convolution."""
    n[name] = L.Convolution(
        bottom,
        num_output=boxes * (5 + classes),
        kernel_size=1,
        weight_filler={"type": "gaussian", "std": 0.01},
        param=[{}, {"decay_mult": 0}],
    )
    return n[name]


def annotated(source: str, sizes: Sequence[int], batch: int, phase: int) -> tuple[Any, Any]:
    """Images, from 0 to 1, and their boxes: for training cut, recoloured and mirrored, with labels in YOLO's form."""
    share = 1 / len(sizes)
    resize = [
        {"prob": share, "resize_mode": P.Resize.WARP, "height": s, "width": s, "interp_mode": [P.Resize.LINEAR]}
        for s in sizes
    ]
    options: dict[str, Any] = {"scale": 1 / 255, "force_color": True, "resize_param": resize}
    own: dict[str, Any] = {}
    if phase == TRAIN:
        options |= {
            "mirror": True,
            "emit_constraint": {"emit_type": "CENTER"},
            "distort_param": {
                "brightness_prob": 0.5,
                "brightness_delta": 32,
                "contrast_prob": 0.5,
                "contrast_lower": 0.5,
                "contrast_upper": 1.5,
                "hue_prob": 0.5,
                "hue_delta": 18,
                "saturation_prob": 0.5,
                "saturation_lower": 0.5,
                "saturation_upper": 1.5,
            },
        }
        own = {"annotated_data_param": {"yolo_data_type": 1, "yolo_data_jitter": 0.3}}
    return L.AnnotatedData(
        ntop=2,
        include={"phase": phase},
        transform_param=options,
        data_param={"source": source, "batch_size": batch, "backend": P.Data.LMDB},
        **own,
    )

"""Single Shot MultiBox Detectors (Liu et al., ECCV 2016), for the define.py of each.

Layer names are those of the published definitions, so that published weights find their places.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN

VARIANCE = (0.1, 0.1, 0.2, 0.2)


class Map(NamedTuple):
    """A map that predicts boxes, and the default boxes at each of its places."""

    top: str
    least: float  # pixels: the side of the small square box, and the size of the longer ones
    most: float | None = None  # the larger square has the side sqrt(least * most); None: there is none
    ratios: tuple[int, ...] = (2, 3)  # of longer boxes, each upright and lying
    step: int | None = None  # pixels from place to place; None: what the sizes of image and map give
    scale: float | None = None  # the length that every place's channels are normalised to at first; None: as they are

    @property
    def boxes(self) -> int:
        """How many at each place."""
        return 1 + (self.most is not None) + 2 * len(self.ratios)


@dataclass
class Detector:
    """A detector of `classes` classes, background among them, in images of size x size pixels.

    body: (net, data) -> None; puts layers with the maps' tops into the net. loc, conf: options of the convolutions that
    predict boxes and classes. transform: of pixels. batches: of training and testing. deploy: what else than the usual
    DetectionOutput has in deploy.prototxt.
    """

    name: str
    body: Callable[[NetSpec, Any], None]
    maps: tuple[Map, ...]
    size: int
    batches: tuple[int, int]
    transform: dict[str, Any]
    loc: dict[str, Any]
    conf: dict[str, Any]
    classes: int = 21
    deploy: dict[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, Any]:
        """The definitions by the names of their files."""
        return {f"{kind}.prototxt": getattr(self, f"{kind}_net")() for kind in ("train", "test", "deploy")}

    def train_net(self) -> Any:
        """Images and boxes from a data base -> mbox_loss."""
        n = NetSpec()
        n.data, n.label = annotated("VOC0712_trainval_lmdb", self.size, self.batches[0], self.transform, TRAIN)
        n.mbox_loss = loss(n, *self._heads(n), self.classes)
        return self._message(n, "train")

    def test_net(self) -> Any:
        """Images and boxes from a data base -> detection_eval, of which `caffelike test` makes a mAP."""
        n = NetSpec()
        n.data, n.label = annotated("VOC0712_test_lmdb", self.size, self.batches[1], self.transform, TEST)
        n.detection_out = found(n, *self._heads(n), self.classes)
        n.detection_eval = L.DetectionEvaluate(
            n.detection_out,
            n.label,
            num_classes=self.classes,
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
        n.detection_out = found(n, *self._heads(n), self.classes, **self.deploy)
        return self._message(n, "deploy")

    def _heads(self, n: NetSpec) -> tuple[Any, Any, Any]:
        self.body(n, n.data)
        return heads(n, self.maps, self.classes, self.loc, self.conf)

    def _message(self, n: NetSpec, kind: str) -> Any:
        message = n.to_proto()
        message.name = f"{self.name} {kind}"
        return message


def heads(
    n: NetSpec, maps: tuple[Map, ...], classes: int, loc: dict[str, Any], conf: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """mbox_loc (N, 4 boxes), mbox_conf (N, classes boxes) and mbox_priorbox (1, 2, 4 boxes) of all maps together."""
    parts: dict[str, list[Any]] = {"loc": [], "conf": [], "priorbox": []}
    for m in maps:
        name, top = m.top, n[m.top]
        if m.scale is not None:
            name = f"{m.top}_norm"
            filler = {"type": "constant", "value": m.scale}
            top = n[name] = L.Normalize(
                top, norm_param={"scale_filler": filler, "across_spatial": False, "channel_shared": False}
            )
        for kind, numbers, options in (("loc", 4, loc), ("conf", classes, conf)):
            head = f"{name}_mbox_{kind}"
            n[head] = L.Convolution(top, num_output=m.boxes * numbers, **options)
            n[f"{head}_perm"] = L.Permute(n[head], order=[0, 2, 3, 1])
            n[f"{head}_flat"] = L.Flatten(n[f"{head}_perm"])
            parts[kind].append(n[f"{head}_flat"])
        chosen = {"max_size": m.most, "step": m.step}
        n[f"{name}_mbox_priorbox"] = L.PriorBox(
            top,
            n.data,
            min_size=m.least,
            aspect_ratio=list(m.ratios),
            flip=True,
            clip=False,
            variance=list(VARIANCE),
            offset=0.5,
            **{key: value for key, value in chosen.items() if value is not None},
        )
        parts["priorbox"].append(n[f"{name}_mbox_priorbox"])
    for kind, tops in parts.items():
        n[f"mbox_{kind}"] = L.Concat(*tops, axis=2 if kind == "priorbox" else 1)
    return n.mbox_loc, n.mbox_conf, n.mbox_priorbox


def loss(n: NetSpec, loc: Any, conf: Any, priors: Any, classes: int) -> Any:
    """MultiBoxLoss against n.label: three backgrounds for each box at most, those that look least like one."""
    return L.MultiBoxLoss(
        loc,
        conf,
        priors,
        n.label,
        propagate_down=[True, True, False, False],
        loss_param={"normalization": P.Loss.VALID},
        multibox_loss_param={
            "loc_loss_type": P.MultiBoxLoss.SMOOTH_L1,
            "conf_loss_type": P.MultiBoxLoss.SOFTMAX,
            "loc_weight": 1,
            "num_classes": classes,
            "match_type": P.MultiBoxLoss.PER_PREDICTION,
            "overlap_threshold": 0.5,
            "use_difficult_gt": True,
            "mining_type": P.MultiBoxLoss.MAX_NEGATIVE,
            "neg_pos_ratio": 3,
            "neg_overlap": 0.5,
            "code_type": P.PriorBox.CENTER_SIZE,
        },
    )


def found(n: NetSpec, loc: Any, conf: Any, priors: Any, classes: int, **options: Any) -> Any:
    """The boxes of the best scores of each class; `options`: of DetectionOutput, where not the usual."""
    n.mbox_conf_reshape = L.Reshape(conf, shape={"dim": [0, -1, classes]})
    n.mbox_conf_softmax = L.Softmax(n.mbox_conf_reshape, axis=2)
    n.mbox_conf_flatten = L.Flatten(n.mbox_conf_softmax)
    usual = {
        "num_classes": classes,
        "background_label_id": 0,
        "nms_param": {"nms_threshold": 0.45, "top_k": 400},
        "code_type": P.PriorBox.CENTER_SIZE,
        "keep_top_k": 200,
        "confidence_threshold": 0.01,
    }
    return L.DetectionOutput(loc, n.mbox_conf_flatten, priors, detection_output_param=usual | options)


def annotated(source: str, size: int, batch: int, transform: dict[str, Any], phase: int) -> tuple[Any, Any]:
    """Images and their boxes: for training cut out, expanded, recoloured and mirrored as the paper says."""
    options = dict(transform)
    resize = {"resize_mode": P.Resize.WARP, "height": size, "width": size, "interp_mode": [P.Resize.LINEAR]}
    samplers: list[dict[str, Any]] = []
    if phase == TRAIN:
        resize["interp_mode"] = [
            P.Resize.LINEAR, P.Resize.AREA, P.Resize.NEAREST, P.Resize.CUBIC, P.Resize.LANCZOS4
        ]  # fmt: skip
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
            "expand_param": {"prob": 0.5, "max_expand_ratio": 4},
        }
        samplers = [{"max_sample": 1, "max_trials": 1}]  # the whole image
        shapes = {"min_scale": 0.3, "max_scale": 1, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2}
        for constraint in [{"min_jaccard_overlap": v} for v in (0.1, 0.3, 0.5, 0.7, 0.9)] + [
            {"max_jaccard_overlap": 1}
        ]:
            samplers.append({"sampler": shapes, "sample_constraint": constraint, "max_sample": 1, "max_trials": 50})
    own = {"annotated_data_param": {"batch_sampler": samplers}} if samplers else {}
    return L.AnnotatedData(
        ntop=2,
        include={"phase": phase},
        transform_param=options | {"resize_param": resize},
        data_param={"source": source, "batch_size": batch, "backend": P.Data.LMDB},
        **own,
    )

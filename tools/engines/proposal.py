"""Proposal by OpenVINO, in the mode that has Caffe's C++ layer's numbers."""

from collections.abc import Iterator

import numpy as np
from openvino import opset9

from engines import Case
from engines.regions import OPENVINO, openvino_run


def cases() -> Iterator[Case]:
    """Default anchors, and PVANet's kind of options; more proposals than are kept, for what follows is undefined."""
    rng = np.random.default_rng(0)
    for name, ratios, scales, options in (
        ("defaults", (0.5, 1, 2), (8, 16, 32), {"post_nms_topn": 45}),
        ("wide", (0.5, 0.667, 1, 1.5, 2), (3, 6, 9), {"pre_nms_topn": 200, "post_nms_topn": 25, "nms_thresh": 0.4}),
    ):
        anchors = len(ratios) * len(scales)
        scores = rng.permutation(2 * anchors * 54).reshape(1, 2 * anchors, 6, 9) / np.float32(108 * anchors)
        deltas = 0.3 * rng.standard_normal((1, 4 * anchors, 6, 9)).astype(np.float32)
        info = np.array([[90, 140, 1.2]], np.float32)
        attributes = {
            "base_size": 16, "feat_stride": 16, "min_size": 16, "pre_nms_topn": 6000, "post_nms_topn": 300,
            "nms_thresh": 0.7, **options, "ratio": ratios, "scale": scales,
        }  # fmt: skip
        rows, probs = openvino_run(
            lambda s, d, i, a=attributes: opset9.proposal(s, d, i, _typed(a)),
            scores.astype(np.float32),
            deltas,
            info[0],
        )
        words = [f"{key}: {value}" for key, value in options.items()]
        words += [f"{key}: {value}" for key in ("ratio", "scale") for value in attributes[key] if name == "wide"]
        yield Case(
            name,
            OPENVINO,
            'type: "Proposal" bottom: "scores" bottom: "deltas" bottom: "info" top: "rois" top: "probs"'
            f" proposal_param {{ {' '.join(words)} }}",
            {"scores": scores.astype(np.float32), "deltas": deltas, "info": info},
            {"rois": rows, "probs": probs[:, None]},
        )


def _typed(attributes: dict) -> dict:
    """As OpenVINO wants them."""
    kinds = {int: np.uint32, float: np.float32, tuple: lambda v: np.array(v, np.float32)}
    return {key: kinds[type(value)](value) for key, value in attributes.items()}

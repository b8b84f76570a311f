"""DetectionOutput by OpenCV."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """Forty priors of five classes, with the options of published SSD nets."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.6, (40, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 0.4, (40, 2))], axis=1)
    priors = np.stack([boxes.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], 40)])[None].astype(np.float32)
    conf = rng.dirichlet(np.full(5, 0.5), 40).astype(np.float32).reshape(1, -1)
    for name, options, count in (
        ("shared", "share_location: true code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.01"
         " nms_param { nms_threshold: 0.45 top_k: 30 }", 1),
        ("of_classes", "share_location: false code_type: CORNER keep_top_k: 30 confidence_threshold: 0.3"
         " nms_param { nms_threshold: 0.3 top_k: 400 }", 5),
        ("clipped", "share_location: true code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.3 clip: true"
         " nms_param { nms_threshold: 0.45 top_k: 30 }", 1),
    ):  # fmt: skip
        loc = 0.5 * rng.standard_normal((1, 160 * count)).astype(np.float32)
        layer = (
            'type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "found"'
            f" detection_output_param {{ num_classes: 5 background_label_id: 0 {options} }}"
        )
        case = opencv(name, layer, {"loc": loc, "conf": conf, "priors": priors})
        rows = case.outputs["found"]  # by score; the fork has them by label, and those of a label by score
        yield replace(case, outputs={"found": rows[:, :, np.argsort(rows[0, 0, :, 1], kind="stable")]})

"""ROIAlign by OpenVINO, which has Detectron's and torchvision's numbers under the mode "asymmetric"."""

from collections.abc import Iterator

import numpy as np
from openvino import opset9

from engines import Case
from engines.regions import OPENVINO, ROIS, openvino_run


def cases() -> Iterator[Case]:
    """Regions inside, across and beyond the border."""
    x = np.random.default_rng(0).standard_normal((2, 4, 13, 15)).astype(np.float32)
    options = "roi_align_param { pooled_h: 5 pooled_w: 4 spatial_scale: 0.125 }"
    layer = f'type: "ROIAlign" bottom: "x" bottom: "rois" top: "y" {options}'
    (y,) = openvino_run(
        lambda a, r, i: opset9.roi_align(a, r, i, 5, 4, 0, 0.125, "avg", "asymmetric"),
        x,
        np.ascontiguousarray(ROIS[:, 1:]),
        ROIS[:, 0].astype(np.int32),
    )
    yield Case("openvino", OPENVINO, layer, {"x": x, "rois": ROIS}, {"y": y})

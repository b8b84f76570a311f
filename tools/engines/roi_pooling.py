"""ROIPooling by OpenVINO and OpenCV."""

from collections.abc import Iterator

import numpy as np
from openvino import opset9

from engines import Case, opencv
from engines.regions import OPENVINO, ROIS, openvino_run


def cases() -> Iterator[Case]:
    """Regions inside, across and beyond the border."""
    x = np.random.default_rng(0).standard_normal((2, 4, 13, 15)).astype(np.float32)
    options = "roi_pooling_param { pooled_h: 5 pooled_w: 4 spatial_scale: 0.125 }"
    layer = f'type: "ROIPooling" bottom: "x" bottom: "rois" top: "y" {options}'
    (y,) = openvino_run(lambda a, r: opset9.roi_pooling(a, r, [5, 4], 0.125, "max"), x, ROIS)
    yield Case("openvino", OPENVINO, layer, {"x": x, "rois": ROIS}, {"y": y})
    inside = ROIS[[0, 2, 5]]
    inside[:, 0] = 0
    yield opencv("opencv", layer, {"x": x[:1], "rois": inside})

"""PSROIPooling by OpenVINO and OpenCV."""

from collections.abc import Iterator

import numpy as np
from openvino import opset9

from engines import Case, opencv
from engines.regions import OPENVINO, ROIS, openvino_run


def cases() -> Iterator[Case]:
    """Regions inside, across and beyond the border."""
    x = np.random.default_rng(0).standard_normal((2, 18, 13, 15)).astype(np.float32)
    options = "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.125 }"
    layer = f'type: "PSROIPooling" bottom: "x" bottom: "rois" top: "y" {options}'
    (y,) = openvino_run(lambda a, r: opset9.psroi_pooling(a, r, 2, 3, 0.125, 1, 1, "average"), x, ROIS)
    yield Case("openvino", OPENVINO, layer, {"x": x, "rois": ROIS}, {"y": y})
    inside = ROIS[[0, 2, 5]]
    inside[:, 0] = 0
    yield opencv("opencv", layer, {"x": x[:1], "rois": inside})

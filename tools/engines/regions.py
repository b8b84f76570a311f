"""Regions of interest for the cases of layers that pool them, and OpenVINO's operations."""

from collections.abc import Callable

import numpy as np
import openvino
from openvino import opset9

OPENVINO = f"OpenVINO {openvino.__version__.split('-')[0]}"
ROIS = np.array(
    [
        [0, 0, 0, 30, 30],
        [1, 10, 5, 200, 90],
        [0, 33, 41, 35, 44],
        [1, -20, -30, 60, 55],
        [0, 100, 100, 130, 140],
        [1, 16.3, 22.9, 77.7, 50.1],
    ],
    np.float32,
)  # over images of 120 x 104 pixels


def openvino_run(operation: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs of a model of one operation."""
    parameters = [opset9.parameter(a.shape, a.dtype) for a in arrays]
    made = operation(*parameters)
    model = openvino.Model([made.output(i) for i in range(made.get_output_size())], parameters)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(a) for a in compiled(arrays).values()]

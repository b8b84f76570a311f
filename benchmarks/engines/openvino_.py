"""OpenVINO on the CPU in float32, tuned for latency."""

from typing import Any

import openvino

from engines import onnx_model

NAME = "openvino"


def version() -> str:
    """Of the package."""
    return openvino.__version__.partition("-")[0]


def load(job: Any) -> tuple[Any, str]:
    """A compiled model and one infer request."""
    core = openvino.Core()
    model = core.read_model(onnx_model.build(job).SerializeToString())
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": job.threads,
            "NUM_STREAMS": 1,
        },
    )
    request, x = compiled.create_infer_request(), job.input()
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)[0], "f32, LATENCY"

"""ONNX Runtime, CPU provider, all graph optimisations."""

from typing import Any

import onnxruntime

from engines import onnx_model

NAME = "onnxruntime"


def version() -> str:
    """Of the package."""
    return onnxruntime.__version__


def load(job: Any) -> tuple[Any, str]:
    """An inference session on the job's threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = onnx_model.build(job).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = job.input()
    return lambda: session.run(None, {"data": x})[0], "ORT_ENABLE_ALL"

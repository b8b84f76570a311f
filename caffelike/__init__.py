"""caffelike runs and trains Caffe models in Python; the names are pycaffe's.

    import caffelike as caffe
    net = caffe.Net("deploy.prototxt", "weights.caffemodel", caffe.TEST)

Names load what they need on first use, so importing this package is cheap.
"""

import importlib
from typing import TYPE_CHECKING, Any

from caffelike._version import __version__

if TYPE_CHECKING:
    from caffelike import io as io
    from caffelike.blob import Blob
    from caffelike.classifier import Classifier
    from caffelike.detector import Detector
    from caffelike.device import set_device, set_mode_cpu, set_mode_gpu
    from caffelike.errors import CaffelikeError
    from caffelike.graph.net import Net
    from caffelike.hub import load
    from caffelike.kernels.launch import get_num_threads, set_num_threads
    from caffelike.layers.python import PythonLayer as Layer
    from caffelike.log import init_log
    from caffelike.net_spec import NetSpec, params, to_proto
    from caffelike.plugins import register_layer
    from caffelike.pycaffe import (
        NCCL,
        Timer,
        has_nccl,
        set_multiprocess,
        set_solver_count,
        set_solver_rank,
        solver_count,
        solver_rank,
    )
    from caffelike.registry import layer_type_list
    from caffelike.rng import set_random_seed
    from caffelike.schema import TEST, TRAIN
    from caffelike.solvers import (
        AdaDeltaSolver,
        AdaGradSolver,
        AdamSolver,
        NesterovSolver,
        RMSPropSolver,
        SGDSolver,
        get_solver,
    )

# Public name -> module, or "module:name" where it is called otherwise there.
_HOMES = {
    "Blob": "caffelike.blob",
    "CaffelikeError": "caffelike.errors",
    "Classifier": "caffelike.classifier",
    "Detector": "caffelike.detector",
    "Layer": "caffelike.layers.python:PythonLayer",
    "Net": "caffelike.graph.net",
    "NetSpec": "caffelike.net_spec",
    "TEST": "caffelike.schema",
    "TRAIN": "caffelike.schema",
    "get_num_threads": "caffelike.kernels.launch",
    "init_log": "caffelike.log",
    "layer_type_list": "caffelike.registry",
    "load": "caffelike.hub",
    "params": "caffelike.net_spec",
    "register_layer": "caffelike.plugins",
    "set_device": "caffelike.device",
    "set_mode_cpu": "caffelike.device",
    "set_mode_gpu": "caffelike.device",
    "set_num_threads": "caffelike.kernels.launch",
    "set_random_seed": "caffelike.rng",
    "to_proto": "caffelike.net_spec",
    **dict.fromkeys(
        (
            "NCCL",
            "Timer",
            "has_nccl",
            "set_multiprocess",
            "set_solver_count",
            "set_solver_rank",
            "solver_count",
            "solver_rank",
        ),
        "caffelike.pycaffe",
    ),
    **dict.fromkeys(
        (
            "AdaDeltaSolver",
            "AdaGradSolver",
            "AdamSolver",
            "NesterovSolver",
            "RMSPropSolver",
            "SGDSolver",
            "get_solver",
        ),
        "caffelike.solvers",
    ),
}
_SUBMODULES = (
    *("classifier", "compat", "coord_map", "detector", "dnn", "draw", "io", "layers", "log", "net_spec", "proto"),
    *("pycaffe", "testing"),
)

__all__ = ["__version__", *_HOMES, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"caffelike.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'caffelike' has no attribute {name!r}")
    module, _, other = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(module), other or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

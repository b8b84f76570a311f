"""pycaffe's package of messages: `from caffelike.proto import caffe_pb2`."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "caffe_pb2":  # there after `import caffe` alone, as in pycaffe; made when it is asked for
        raise AttributeError(f"module 'caffelike.proto' has no attribute {name!r}")
    return importlib.import_module("caffelike.proto.caffe_pb2")

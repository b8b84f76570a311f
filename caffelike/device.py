"""Where layers run, and which fast kernels are there for it."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from functools import cache

from caffelike.errors import CaffelikeError

_NUMPY_ONLY = "CAFFELIKE_KERNELS"  # set to "numpy": run every layer's definition, for comparing


def set_mode_cpu() -> None:
    """Run on the CPU: the only mode of this build, so nothing changes."""


def set_mode_gpu() -> None:
    """Raise: there is no CUDA build of the kernels yet."""
    raise CaffelikeError("Cannot use GPU: this version of caffelike runs on the CPU only. Call set_mode_cpu() instead.")


def kernel(stem: str, name: str, device: str = "cpu") -> Callable | None:
    """The fast function `name` ("forward", "backward", "update") for the definition in file `stem`, if there is one."""
    if os.environ.get(_NUMPY_ONLY) == "numpy":
        return None
    return _kernel(stem, name, device)


@cache
def _kernel(stem: str, name: str, device: str) -> Callable | None:
    module = f"caffelike.kernels.{device}.{stem}"
    if importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name, None)

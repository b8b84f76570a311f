"""Where layers run, and which fast kernels are there for it."""

import ast
import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from caffelike import kernels
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
def kernel_devices(stem: str) -> tuple[str, ...]:
    """The devices ("cpu", "cuda") for which there is a file of this stem that defines forward or backward.

    The files are not imported: that would load Numba, or need a GPU.
    """
    found = []
    for folder in pkgutil.iter_modules(kernels.__path__):
        spec = importlib.util.find_spec(_module(stem, folder.name)) if folder.ispkg else None
        if spec is not None and spec.origin and _names(spec.origin) & {"forward", "backward"}:
            found.append(folder.name)
    return tuple(found)


def _names(path: str) -> set[str]:
    """What a source file defines, assigns or imports at its top level."""
    found: set[str] = set()
    for node in ast.parse(Path(path).read_bytes()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


@cache
def _kernel(stem: str, name: str, device: str) -> Callable | None:
    module = _module(stem, device)
    if importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name, None)


def _module(stem: str, device: str) -> str:
    """Where kernels are: caffelike/kernels/cpu/relu.py; of the plug-in my_gain.py (":my_gain") in my_gain_cpu.py."""
    return f"{stem[1:]}_{device}" if stem.startswith(":") else f"{kernels.__name__}.{device}.{stem}"

"""Where layers run, and which fast kernels are there for it."""

import ast
import importlib
import importlib.util
import os
import pkgutil
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from caffelike import kernels
from caffelike.errors import DeviceError

_NUMPY_ONLY = "CAFFELIKE_KERNELS"  # set to "numpy": run every layer's definition, for comparing


CPU, CUDA = "cpu", "cuda"

_mode = CPU
_gpu = 0  # the GPU that "cuda" means


def set_mode_cpu() -> None:
    """Run on the CPU from now on; nets go on with the values they have."""
    global _mode
    _mode = CPU


def set_mode_gpu() -> None:
    """Run on the GPU from now on: GPU 0, or what set_device() said. Nets that exist go on there with their values.

    The mode is the process's, not one thread's. Raises DeviceError, saying what is missing and how to get it.
    """
    global _mode
    door().select(_gpu)
    _mode = CUDA


def set_device(device_id: int) -> None:
    """Let GPU `device_id` (from 0) be the one that set_mode_gpu() means. Raises DeviceError.

    A process uses one GPU; it is chosen before the first net runs there.
    """
    global _gpu
    door().check(device_id)
    if device_id != _gpu and _used:
        raise DeviceError(
            f"Cannot use GPU {device_id}: this process runs on GPU {_gpu} already. Call set_device() before the first"
            " net runs, or start one process for each GPU."
        )
    door().select(device_id)
    _gpu = device_id


def mode() -> str:
    """Where nets run that were not told otherwise: "cpu" or "cuda"."""
    return _mode


def named(name: str) -> str:
    """The device that a word means: "cpu"; "cuda", "gpu", or with a number "cuda:1". Raises DeviceError."""
    word, _, number = name.lower().partition(":")
    if word == CPU and not number:
        return CPU
    if word not in (CUDA, "gpu") or (number and not number.isdigit()):
        raise DeviceError(f"There is no device '{name}': write cpu, cuda, or with the number of a GPU cuda:1.")
    if number:
        set_device(int(number))
    door().select(_gpu)
    return CUDA


def quick(function: Callable, arguments: tuple, spare: Callable[[], Sequence] = tuple) -> tuple[Callable, tuple]:
    """A step that does the same with less Python, for the CPU's kernels that allow it; else the step itself.

    spare: gives arrays that a kernel may use for itself meanwhile.
    """
    if not getattr(function, "replayable", False):
        return function, arguments
    return importlib.import_module("caffelike.kernels.replay").Replay(function, arguments, spare), ()


def door() -> ModuleType:
    """The module through which CUDA is reached. Raises DeviceError where it is not installed."""
    return importlib.import_module("caffelike.kernels.cuda.door")


def used() -> bool:
    """Whether this process has put anything on a GPU."""
    return _used


_used = False
_thread = threading.local()


def use() -> ModuleType:
    """`door()`, for putting something on the GPU that was chosen; CUDA wants each thread to choose it."""
    global _used
    if not getattr(_thread, "ready", False):
        door().select(_gpu)
        _used = _thread.ready = True
    return door()


def simulated() -> bool:
    """Whether "cuda" is Numba's simulator (NUMBA_ENABLE_CUDASIM=1), which runs kernels in Python."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1" and CUDA in usable()


def usable() -> tuple[str, ...]:
    """The devices that kernels can run on here: "cpu", and "cuda" where a GPU (or Numba's simulator of one) answers."""
    try:
        return (CPU, CUDA) if door().count() else (CPU,)
    except DeviceError:
        return (CPU,)


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

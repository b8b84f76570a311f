"""Layer types of your own: `@register_layer` on a class, in any module that can be imported."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from caffelike.errors import CaffelikeError
from caffelike.registry import register

_loaded: list[ModuleType] = []


def register_layer(
    type_name: str, param: Mapping[str, Mapping[str, Any]] | str | None = None
) -> Callable[[type], type]:
    """Class decorator that makes a `caffelike.layer.Layer` usable as `type: "TypeName"`.

        @register_layer("Gain", param={"gain_param": {"factor": 1.0}})
        class Gain(Layer):
            inplace = True
            def setup(self, p, x): self.options = {"factor": p.factor}
            def reshape(self, x): return [x]

        def forward(x, y, factor): y[...] = x * factor
        def backward(dy, dx, factor): dx[...] = dy * factor

    param: {field name: {option: default}} declares `gain_param { factor: 2 }` for prototxts; a string names a field
    that exists; None is for a type without options. Only one layer type a module, as forward and backward are found
    there. `caffelike.testing.check_layer("Gain", ...)` runs the contract on it; docs/layers.md tells the rest.
    Raises ModelError when a name is taken.
    """
    if param is None or isinstance(param, str):
        return register(type_name, param)
    from caffelike.schema import plugins

    (name, options), *more = param.items()
    if more:
        raise CaffelikeError(f"register_layer({type_name!r}): one parameter message a layer type, not {len(param)}.")
    plugins.declare(name, options)
    return register(type_name, name)


def load(module: str) -> None:
    """Import a module of plug-ins by its dotted name, from Python's path or the working folder.

    Raises CaffelikeError with the cure when it cannot be found, or with file and line when it does not run.
    """
    here = os.getcwd()
    if here not in sys.path:  # an installed command's path has the command's folder instead
        sys.path.append(here)
    try:
        _loaded.append(importlib.import_module(module))
    except CaffelikeError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(module, error) from error
        hint = f" Write {module.removesuffix('.py')}, without .py." if module.endswith(".py") else ""
        raise CaffelikeError(
            f"No module named {error.name!r} for --plugin {module}: run from its folder, or put that on PYTHONPATH."
            + hint
        ) from None
    except Exception as error:
        raise _failed(module, error) from error


def place_in_plugin(error: BaseException) -> str:
    """The last "file:line" of a module that `load` brought in, on the way to where `error` was raised; else ""."""
    files = {module.__file__ for module in _loaded}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _failed(module: str, error: Exception) -> CaffelikeError:
    """What to say of an error in a plug-in's own code."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{last.filename}:{last.lineno}: "
    if isinstance(error, SyntaxError):  # names file and line itself
        place = ""
    return CaffelikeError(f"--plugin {module}: {place}{type(error).__name__}: {error}")

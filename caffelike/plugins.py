"""Layer types of your own: `@register_layer` on a class, in any module that can be imported."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from caffelike.errors import CaffelikeError
from caffelike.registry import register


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
    there. `caffelike.testing.check_layer("Gain", ...)` runs the contract on it.
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
    """Import a module of plug-ins by its dotted name. Raises CaffelikeError with the cure when it cannot be found."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise CaffelikeError(
            f"No module named {error.name!r} for --plugin {module}: run from its folder, or put that on PYTHONPATH."
        ) from None

"""Which array goes to which parameter of a definition or kernel: by name, see caffelike/layer.py."""

from collections.abc import Callable, Sequence
from typing import Any

from caffelike.layer import Layer, parameters


def by_name(names: Sequence[str], items: Sequence[Any]) -> dict[str, Any]:
    """Give blobs (or arrays) the names a layer type declares: "name?" may be missing, "*names" becomes a tuple."""
    named: dict[str, Any] = {}
    for position, name in enumerate(names):
        if name.startswith("*"):
            named[name[1:]] = tuple(items[position:])
        else:
            named[name.rstrip("?")] = items[position] if position < len(items) else None
    return named


def bind(function: Callable, layer: Layer, values: dict[str, Any]) -> tuple:
    """The arguments of `function` in order: `values` by name first, then the layer's options.

    values: arrays by the names of caffelike/layer.py ("x", "dx", "weight", saved names, "key", "beta").
    An option wins over `beta`, because LRN has an option of that name. A name that is declared as a
    blob but has no value is None. Raises TypeError for a name that means nothing to this layer type.
    """
    arguments = []
    blobs = {n.strip("*?") for n in (*layer.bottoms, *layer.tops, *layer.params)}
    for name in parameters(function):
        if name in layer.options:
            arguments.append(layer.options[name])
        elif name in values:
            arguments.append(values[name])
        elif name in blobs or name.removeprefix("d") in blobs:
            arguments.append(None)
        else:
            raise TypeError(
                f"{function.__module__}.{function.__qualname__}: parameter {name!r} is no blob, saved array or option"
                f" of layer type {layer.type}; options: {', '.join(layer.options) or 'none'}"
            )
    return tuple(arguments)

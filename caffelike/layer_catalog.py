"""What there is to know about each layer type, for `caffelike layers` and programs: collected, not written twice.

The summary and the source come from the class's docstring, the options from the parameter message's descriptor, the
kernels from the files that are there, and what the numbers were checked against from checked.json, which
tools/record_checks.py makes of the tests (they are not installed).
"""

import inspect
import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from caffelike import registry
from caffelike.device import kernel_devices
from caffelike.schema import message_class
from caffelike.schema.dialects import HINTS, forks_of
from caffelike.schema.fields import Field, describe

_SOURCE = re.compile(r"(?:^|\s)Source: (.*?)(?=\n\n|\Z)", re.DOTALL)
_OWN = "caffelike.layers."


@dataclass(frozen=True)
class Option:
    """One field of a layer's definition: `relu_param.negative_slope`.

    type: bool, int, float, string, message or the enum's words; a list of these has "..." behind it. default: None
    where there is none. forks: who brought it, "" for BVLC Caffe's own.
    """

    name: str
    type: str
    default: Any
    forks: str


@dataclass(frozen=True)
class Entry:
    """One layer type.

    names: what else it is called in definitions.
    summary, doc: the docstring's first line and all of it; source: where its definition comes from. module: the file
    that defines it. bottoms, tops, params: names ("x?" is optional, "*xs" any number). kernels: what can run it,
    of NumPy (the definition), CPU and CUDA. checked: what its numbers were held against, and where; {} for a plug-in.
    """

    type: str
    names: tuple[str, ...]
    summary: str
    doc: str
    source: str
    module: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: tuple[str, ...]
    options: tuple[Option, ...]
    kernels: tuple[str, ...]
    checked: dict[str, list[str]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON has it."""
        return asdict(self)


def own_types() -> list[str]:
    """The types that come with caffelike: no plug-ins."""
    return [name for name in registry.layers if registry.layers[name].__module__.startswith(_OWN)]


def catalog() -> list[Entry]:
    """All registered types, plug-ins included, in alphabetical order."""
    return [entry(name) for name in registry.layers]


def entry(type_name: str) -> Entry:
    """What is known of one type. Raises ModelError, which lists near names, for one that is not registered."""
    kind = registry.layers[type_name]
    type_name = registry.layers.first(type_name)
    doc = inspect.cleandoc(kind.__doc__ or "")
    own = kind.__module__.startswith(_OWN)
    source = _SOURCE.search(doc)
    return Entry(
        type_name,
        registry.layers.names(type_name),
        doc.partition("\n")[0],
        doc,
        " ".join(source[1].split()).removesuffix(".") if source else "",
        kind.__module__,
        tuple(kind.bottoms),
        tuple(kind.tops),
        tuple(kind.params),
        tuple(option for name in (kind.param, *kind.messages) if name for option in _options(name, kind)),
        ("NumPy", *(device.upper() for device in kernel_devices(kind.stem()))),
        _checks().get(type_name, {}) if own else {},
    )


def _options(name: str, kind: type) -> list[Option]:
    """The fields of LayerParameter's message `name`; of forks' fields those that change this type's numbers."""
    holder = describe(message_class("LayerParameter").DESCRIPTOR)
    message = describe(holder.fields[name].descriptor)
    whole = forks_of("LayerParameter", name)
    found = []
    for field in message.fields.values():
        forks = forks_of(message.name, field.name)
        honoured = field.name in kind.honours or name in kind.honours  # type: ignore[attr-defined]
        if not forks or whole or (honoured and field.name not in HINTS):
            default = kind.defaults.get(field.name, _default(field))  # type: ignore[attr-defined]
            found.append(Option(f"{name}.{field.name}", _type(field), default, forks or whole))
    return found


def _type(field: Field) -> str:
    """How a field's value is written."""
    if field.kind == "enum":
        words = " | ".join(word for word in field.words or {} if not forks_of(field.enum, word))
        return f"{words} ..." if field.repeated else words
    name = "int" if field.kind == "integer" else "float" if field.kind == "double" else field.kind
    if field.kind == "message":
        name = describe(field.descriptor).name
    return f"{name} ..." if field.repeated else name


def _default(field: Field) -> Any:
    """What leaving the field out means; None where that is nothing or up to the layer."""
    value = field.default
    if value is not None and field.kind == "enum":
        return next(word for word, number in (field.words or {}).items() if number == value)
    return float(f"{value:.7g}") if field.kind == "float" and value is not None else value


@cache
def _checks() -> dict[str, dict[str, list[str]]]:
    return json.loads(files("caffelike").joinpath("checked.json").read_text(encoding="utf-8"))

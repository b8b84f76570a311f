"""Parameter messages of users' own layer types, declared at run time.

They are protobuf extensions of LayerParameter in our private pool, so they are copied, upgraded, filtered and
written with the layer; in text they look like any other field: `my_param { factor: 2 }`.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2

from caffelike.errors import ModelError
from caffelike.schema import PACKAGE, fields, message_class, pool

_FIRST, _COUNT = 100_000_000, 400_000_000  # the numbers proto/caffelike.proto keeps free for extensions
_TYPES = {bool: 8, int: 3, float: 2, str: 9}  # Python type -> FieldDescriptorProto.Type: bool, int64, float, string

_declared: dict[str, dict[str, Any]] = {}


def declare(name: str, options: Mapping[str, Any]) -> None:
    """Let layers have a field `name { ... }` with these options.

    options: option name -> default value (bool, int, float, str), or a type for one without default (0, ""), or a
    list for a repeated one: `[float]`, or example values. Declaring the same again changes nothing.
    Raises ModelError for a name that is taken or a default that is no such value.
    """
    wanted = dict(options)
    if name in _declared and _declared[name] == wanted:
        return
    if name in fields.describe(message_class("LayerParameter").DESCRIPTOR).fields:
        raise ModelError(f"Layers have a field {name!r} already; choose another name for the parameters of your layer.")
    message = f"{name.title().replace('_', '')}Plugin"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"plugin/{name}.proto", package=PACKAGE, dependency=["caffelike.proto"], syntax="proto2"
    )
    declared = file.message_type.add(name=message)
    for number, (option, default) in enumerate(wanted.items(), 1):
        _add(declared, option, number, default, name)
    file.extension.add(
        name=name,
        number=_FIRST + zlib.crc32(name.encode()) % _COUNT,
        label=1,
        type=11,
        type_name=f".{PACKAGE}.{message}",
        extendee=f".{PACKAGE}.LayerParameter",
    )
    pool().Add(file)
    message_class(message)
    fields.describe.cache_clear()
    _declared[name] = wanted


def _add(message: Any, option: str, number: int, default: Any, name: str) -> None:
    repeated = isinstance(default, (list, tuple))
    example = (default[0] if default else None) if repeated else default
    kind = example if isinstance(example, type) else type(example)
    if kind not in _TYPES:
        raise ModelError(
            f"{name}.{option}: {default!r} is no default for an option; give a bool, int, float or str, one of these"
            " types, or a list with one of them."
        )
    field = message.field.add(name=option, number=number, label=3 if repeated else 1, type=_TYPES[kind])
    if not repeated and not isinstance(example, type):
        field.default_value = str(example).lower() if kind is bool else str(example)


def options_of(layer: Any, name: str) -> Any:
    """The message in field `name` of a LayerParameter, be it Caffe's, a fork's or a plug-in's."""
    return fields.describe(layer.DESCRIPTOR).fields[name].of(layer)

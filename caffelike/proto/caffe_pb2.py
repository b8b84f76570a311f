"""Caffe's messages and enumerations by the names protoc's generated module has: `caffe_pb2.NetParameter()`.

They are the classes of `caffelike.schema`, forks' fields included, in a descriptor pool of their own: another
`caffe_pb2` may be imported in the same process. google.protobuf.text_format reads and writes them.
"""

from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from caffelike import schema


def _descriptors() -> dict[str, Any]:
    """Descriptors of the files' own messages and enumerations by name."""
    found: dict[str, Any] = {}
    for name in schema.file_names():
        file = schema.pool().FindFileByName(name)
        found |= file.message_types_by_name
        found |= file.enum_types_by_name
    return found


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'caffe_pb2' has no attribute {name!r}")
    known = _descriptors()
    if name in known:
        found = known[name]
        value = EnumTypeWrapper(found) if hasattr(found, "values_by_name") else schema.message_class(name)
    else:  # values of the files' enumerations stand beside them: caffe_pb2.TRAIN
        values = {key: n.number for d in known.values() for key, n in getattr(d, "values_by_name", {}).items()}
        if name not in values:
            raise AttributeError(f"module 'caffe_pb2' has no attribute {name!r}")
        value = values[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    known = _descriptors()
    values = [key for d in known.values() for key in getattr(d, "values_by_name", {})]
    return sorted([*known, *values])

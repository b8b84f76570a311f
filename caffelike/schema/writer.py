"""Writes messages as protobuf text, laid out and spelled as Caffe's own C++ writes it."""

import math
from io import StringIO
from typing import Any

import numpy as np

from caffelike.schema.fields import Field, describe


def format_text(message: Any) -> str:
    """Protobuf text of a message: fields in order of their numbers, two spaces a level.

    Floats have the fewest digits (6, 8 or 9) that read back to the same number, as in `0.01`.
    """
    out = StringIO()
    _write(out, message, "")
    return out.getvalue()


def _write(out: StringIO, message: Any, indent: str) -> None:
    fields = describe(message.DESCRIPTOR).fields
    for descriptor, value in message.ListFields():
        field = fields[descriptor.name]
        for item in value if field.repeated else (value,):
            if field.kind == "message":
                out.write(f"{indent}{field.name} {{\n")
                _write(out, item, indent + "  ")
                out.write(f"{indent}}}\n")
            else:
                out.write(f"{indent}{field.name}: {_scalar(field, item)}\n")


def _scalar(field: Field, value: Any) -> str:
    match field.kind:
        case "integer":
            return str(value)
        case "bool":
            return "true" if value else "false"
        case "float":
            return _real(value, (6, 8, 9), np.float32)
        case "double":
            return _real(value, (15, 17), np.float64)
        case "enum":
            names = {number: word for word, number in (field.words or {}).items()}
            return names.get(value, str(value))
    return _quoted(value if isinstance(value, bytes) else value.encode("utf-8"))


def _real(value: float, digits: tuple[int, ...], kind: type) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    wanted = kind(value)
    for count in digits:
        text = f"{value:.{count}g}"
        if kind(text) == wanted:
            break
    return text


_ESCAPES = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}


def _quoted(data: bytes) -> str:
    plain = (_ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data)
    return f'"{"".join(plain)}"'

"""Message descriptors as plain Python tables, made once per message: what the text reader looks up."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from caffelike.schema import PACKAGE, pool

# Field types of google.protobuf.FieldDescriptor, by what a value in text must look like.
_INTEGERS = {
    3: (-(1 << 63), (1 << 63) - 1),  # int64
    4: (0, (1 << 64) - 1),  # uint64
    5: (-(1 << 31), (1 << 31) - 1),  # int32
    13: (0, (1 << 32) - 1),  # uint32
}
_KINDS = {1: "double", 2: "float", 8: "bool", 9: "string", 11: "message", 12: "bytes", 14: "enum"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is integer, float, double, bool, string, bytes, enum or message.

    extension: its descriptor, if it was declared at run time (schema.plugins). default: None where none is declared.
    """

    name: str
    number: int
    kind: str
    repeated: bool
    required: bool
    bounds: tuple[int, int] = (0, 0)
    words: dict[str, int] | None = None
    enum: str = ""
    descriptor: Any = None
    extension: Any = None
    default: Any = None

    def of(self, message: Any) -> Any:
        """The field's value in `message`."""
        return getattr(message, self.name) if self.extension is None else message.Extensions[self.extension]


@dataclass(frozen=True, slots=True)
class Message:
    """One message type; `name` is without the package, `fields` by name, `required` their names."""

    name: str
    fields: dict[str, Field]
    required: tuple[str, ...]


def _label(field: Any, number: int, attribute: str) -> bool:
    """Whether a field is repeated (3) or required (2); protobuf before 6 has only `label`."""
    if hasattr(field, attribute):
        return bool(getattr(field, attribute))
    return field.label == number


def _field(field: Any) -> Field:
    words = None
    if field.type == 14:
        words = {word: value.number for word, value in field.enum_type.values_by_name.items()}
    return Field(
        name=field.name,
        number=field.number,
        kind=_KINDS.get(field.type, "integer"),
        repeated=_label(field, 3, "is_repeated"),
        required=_label(field, 2, "is_required"),
        bounds=_INTEGERS.get(field.type, (0, 0)),
        words=words,
        enum=field.enum_type.full_name.removeprefix(f"{PACKAGE}.") if words else "",
        descriptor=field.message_type,
        extension=field if field.is_extension else None,
        default=field.default_value if field.has_default_value else None,
    )


@cache
def describe(descriptor: Any) -> Message:
    """The tables of a message descriptor."""
    declared = pool().FindAllExtensions(descriptor) if descriptor.is_extendable else ()
    fields = {field.name: _field(field) for field in (*descriptor.fields, *declared)}
    required = tuple(name for name, field in fields.items() if field.required)
    return Message(descriptor.full_name.removeprefix(f"{PACKAGE}."), fields, required)


@cache
def owners() -> dict[str, tuple[str, ...]]:
    """Field name -> the messages that have such a field, reachable from the three a user writes."""
    found: dict[str, list[str]] = {}
    waiting = [pool().FindMessageTypeByName(f"{PACKAGE}.{n}") for n in ("SolverParameter", "Datum")]
    seen = set()
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name in seen:
            continue
        seen.add(descriptor.full_name)
        message = describe(descriptor)
        for field in message.fields.values():
            found.setdefault(field.name, []).append(message.name)
            if field.descriptor is not None:
                waiting.append(field.descriptor)
    return {name: tuple(sorted(messages)) for name, messages in found.items()}

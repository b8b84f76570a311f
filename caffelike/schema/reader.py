"""Reads protobuf text (.prototxt) into messages and remembers where every field stood.

Takes all that people wrote: BOM, CRLF, Latin-1 comments, `[1, 2]`, `< >`, `;` and `,` between fields,
joined strings, octal and hexadecimal numbers, `1.0f`, enum words or their numbers, True/t/1.
What it refuses it explains: file:line:column, what was expected, what came, and a near name.
"""

import difflib
import os
from typing import Any

from caffelike.errors import FileError, ParseError
from caffelike.schema import tokens
from caffelike.schema.dialects import enum_word, several_field
from caffelike.schema.fields import Field, Message, describe, owners

DEPTH_LIMIT = 64
_BOOLS = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}
_CLOSING = {"{": "}", "<": ">"}
_SINGULAR = {
    "integer": "an integer",
    "bool": "true or false",
    "string": "a string in quotes",
    "bytes": "a string in quotes",
}


class Node:
    """Where one message of a text stands: from offset to end, and its fields' offsets or nodes by name."""

    __slots__ = ("end", "fields", "offset")

    def __init__(self, offset: int):
        self.offset, self.end = offset, -1
        self.fields: dict[str, list[int | Node]] = {}


class Document:
    """A message read from text, and the place of each of its fields in that text."""

    def __init__(self, message: Any, root: Node, source: tokens.Source):
        self.message = message
        self.filename = source.filename
        self._root, self._source = root, source

    def position(self, *path: str | int) -> tuple[int, int]:
        """Line and column (from 1) of a field, as in `position("layer", 3, "pooling_param", "pad")`.

        A number picks an entry of a repeated field (absent: the first). What the text does not hold
        stands where the nearest message around it begins.
        """
        return self._source.position(_find(self._root, path)[0])

    def has(self, *path: str | int) -> bool:
        """Whether the text itself holds the field."""
        return _find(self._root, path)[1]

    def where(self, *path: str | int) -> str:
        """`position` as file:line:column."""
        line, column = self.position(*path)
        return f"{self.filename}:{line}:{column}"

    def entry(self, name: str, place: tuple[int, int]) -> int | None:
        """The index of the repeated top-level message `name` that a line and column lie in, or None."""
        for index, node in enumerate(self._root.fields.get(name, ())):
            if isinstance(node, Node):
                before_end = node.end < 0 or place <= self._source.position(node.end)
                if before_end and self._source.position(node.offset) <= place:
                    return index
        return None

    def part(self, message: Any, field: str, index: int = 0) -> "Document":
        """The document of a message that lies in a top-level field of this one."""
        node = self._root.fields[field][index]
        return Document(message, node if isinstance(node, Node) else self._root, self._source)

    def error(self, message: str, *path: str | int) -> ParseError:
        """An error that names the field's place."""
        return ParseError(message, self.filename, *self.position(*path))


def _find(node: Node, path: tuple[str | int, ...]) -> tuple[int, bool]:
    """Offset of the deepest part of the path that exists, and whether that is all of it."""
    position = 0
    while position < len(path):
        entries = node.fields.get(str(path[position]))
        position += 1
        index = 0
        if position < len(path) and isinstance(path[position], int):
            index = int(path[position])
            position += 1
        if not entries or not -len(entries) <= index < len(entries):
            return node.offset, False
        entry = entries[index]
        if isinstance(entry, int):
            return entry, position == len(path)
        node = entry
    return node.offset, True


def read(path: str | os.PathLike, message_class: Any, problems: list[ParseError] | None = None) -> Document:
    """`parse` a file. Raises FileError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise FileError(f"Could not open file {os.fspath(path)}: {error.strerror}") from error
    if other := tokens.other_file(data):
        raise ParseError(other, os.fspath(path), 1, 1)
    return parse(tokens.decode(data), message_class, os.fspath(path), problems)


def parse(
    text: str, message_class: Any, filename: str = "<string>", problems: list[ParseError] | None = None
) -> Document:
    """Read protobuf text into a new message of the class.

    Without `problems` the first error is raised as ParseError; with it all are appended there, and
    the document holds what could be read.
    """
    source = tokens.Source(text, filename)
    message, root = message_class(), Node(0)
    reader = _Reader(source, [] if problems is None else problems)
    try:
        reader.start()
        reader.message(message, describe(message.DESCRIPTOR), root, "", 0)
    except ParseError as error:
        reader.problems.append(error)
    if problems is None and reader.problems:
        raise reader.problems[0]
    return Document(message, root, source)


class _Reader:
    """One pass over the tokens. Errors of structure are raised, errors of meaning collected."""

    def __init__(self, source: tokens.Source, problems: list[ParseError]):
        self.source, self.problems = source, problems
        self.at = 0

    def start(self) -> None:
        self.kinds, self.texts, self.offsets = tokens.cut(self.source)

    def problem(self, message: str, at: int) -> None:
        self.problems.append(self.source.error(message, self.offsets[at]))

    def unexpected(self, expected: str) -> ParseError:
        found = self.texts[self.at]
        found = found if self.kinds[self.at] == "end" else f"`{_short(found)}`"
        return self.source.error(f"expected {expected}, found {found}", self.offsets[self.at])

    def message(self, message: Any, table: Message, node: Node, closing: str, depth: int) -> None:
        """Fields up to the closing mark ("" for the end of the text)."""
        if depth > DEPTH_LIMIT:
            raise self.source.error(f"messages are nested more than {DEPTH_LIMIT} deep", self.offsets[self.at])
        texts, kinds = self.texts, self.kinds
        while True:
            kind, text = kinds[self.at], texts[self.at]
            if kind == "word":
                self.field(message, table, node, depth)
            elif text == closing if closing else kind == "end":
                break
            elif kind == "end":
                raise self.source.error(
                    f"{table.name} that begins here is never closed: expected `{closing}`", node.offset
                )
            else:
                raise self.unexpected(f"a field of {table.name}" + (f" or `{closing}`" if closing else ""))
        for name in table.required:
            if name not in node.fields:
                self.problems.append(self.source.error(f"{table.name} needs a value for {name}", node.offset))

    def field(self, message: Any, table: Message, node: Node, depth: int) -> None:
        """One `name: value`, `name { }` or `name: [ ]` and what separates it from the next."""
        at = self.at
        name = self.texts[at]
        self.at += 1
        field = table.fields.get(name)
        if field is None:
            if table.fields:
                self.problem(_unknown_field(name, table), at)
            self.skip_value(depth)
        else:
            colon = self.mark(":")
            if not colon and field.kind != "message":
                raise self.unexpected(f"`:` after {name}")
            if not field.repeated:
                field = self.for_several(message, table, field, node, at)
            self.values(message, field, node.fields.setdefault(field.name, []), at, depth)
        if not self.mark(";"):
            self.mark(",")

    def for_several(self, message: Any, table: Message, field: Field, node: Node, at: int) -> Field:
        """The field itself, or the one that takes several values where it is given a list or once more."""
        other = table.fields.get(several_field(table.name, field.name))
        given = field.name in node.fields
        if not given and self.texts[self.at] != "[" and (other is None or other.name not in node.fields):
            return field
        if other is None:
            self.problem(f"{field.name} is given more than one value in {table.name}; it takes one", at)
            return field
        if given:
            getattr(message, other.name).append(getattr(message, field.name))
            message.ClearField(field.name)
            node.fields[other.name] = node.fields.pop(field.name)
        return other

    def values(self, message: Any, field: Field, places: list[int | Node], at: int, depth: int) -> None:
        """The value of a field, or several in brackets."""
        if not self.mark("["):
            self.value(message, field, places, at, depth)
            return
        while not self.mark("]"):
            self.value(message, field, places, self.at, depth)
            self.mark(",")

    def value(self, message: Any, field: Field, places: list[int | Node], at: int, depth: int) -> None:
        offset = self.offsets[at]
        if field.kind == "message":
            closing = _CLOSING.get(self.texts[self.at])
            if closing is None or self.kinds[self.at] != "mark":
                raise self.unexpected(f"`{{` after {field.name}")
            self.at += 1
            child = Node(offset)
            places.append(child)
            part = field.of(message)
            part = part.add() if field.repeated else part
            if not field.repeated:
                part.SetInParent()
            self.message(part, describe(field.descriptor), child, closing, depth + 1)
            child.end = self.offsets[self.at]
            self.at += 1
            return
        places.append(offset)
        value = self.scalar(field)
        if value is None:
            return
        if field.repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def scalar(self, field: Field) -> Any:
        """A value of the field's kind; None, and a problem noted, when what stands there is none."""
        at = self.at
        kind, text = self.kinds[at], self.texts[at]
        if kind == "string":
            while self.kinds[self.at] == "string":
                self.at += 1
            return self.quoted(field, at)
        sign = 1
        if kind == "mark" and text == "-":
            sign, self.at = -1, self.at + 1
            kind, text = self.kinds[self.at], self.texts[self.at]
        if kind not in ("word", "number"):
            raise self.unexpected(f"a value for {field.name}")
        self.at += 1
        value: Any = None
        match field.kind:
            case "integer":
                number = tokens.integer(text) if kind == "number" else None
                low, high = field.bounds
                if number is not None and not low <= sign * number <= high:
                    self.problem(f"{field.name} must be from {low} to {high}, found {sign * number}", at)
                    return None
                value = None if number is None else sign * number
            case "float" | "double":
                real = tokens.real(text) if kind == "number" else _WORDS_OF_FLOATS.get(text.lower())
                value = None if real is None else sign * real
            case "bool":
                value = _BOOLS.get(text) if sign == 1 else None
            case "enum":
                return self.word(field, text, sign, at)
        if value is None:
            expected = _SINGULAR.get(field.kind, "a number")
            self.problem(f"{field.name} takes {expected}, found `{'-' * (sign < 0)}{_short(text)}`", at)
        return value

    def quoted(self, field: Field, at: int) -> Any:
        """The value of string tokens [at, self.at)."""
        data = tokens.string(self.texts[at : self.at])
        match field.kind:
            case "string":
                try:
                    return data.decode("utf-8")
                except UnicodeDecodeError:
                    return data.decode("latin-1")
            case "bytes":
                return data
            case "enum":
                return self.word(field, data.decode("utf-8", "replace"), 1, at)
        expected = _SINGULAR.get(field.kind, "a number")
        self.problem(f"{field.name} takes {expected}, found a string {_short(self.texts[at])}", at)
        return None

    def word(self, field: Field, text: str, sign: int, at: int) -> int | None:
        """The number of an enum's word (or of its number)."""
        words = field.words or {}
        number = tokens.integer(text) if text[:1].isdigit() else enum_word(field.enum, text, words)
        if number is not None and sign * number in words.values():
            return sign * number
        near = difflib.get_close_matches(text.upper(), words, 3, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it may be {_listed(words)}"
        self.problem(f"{field.name} ({field.enum}) has no value `{_short(text)}`; {hint}", at)
        return None

    def mark(self, text: str) -> bool:
        """Step over a mark if it is there."""
        if self.kinds[self.at] == "mark" and self.texts[self.at] == text:
            self.at += 1
            return True
        return False

    def skip_value(self, depth: int) -> None:
        """Step over whatever an unknown field holds, keeping braces balanced."""
        self.mark(":")
        waiting: list[str] = []
        while True:
            kind, text = self.kinds[self.at], self.texts[self.at]
            if kind == "end":
                raise self.unexpected(f"`{waiting[-1]}`" if waiting else "a value")
            if kind == "mark" and text in "{<[":
                waiting.append({"{": "}", "<": ">", "[": "]"}[text])
                if len(waiting) + depth > DEPTH_LIMIT:
                    raise self.source.error(f"messages are nested more than {DEPTH_LIMIT} deep", self.offsets[self.at])
            elif kind == "mark" and text in "}>]" and (not waiting or waiting.pop() != text):
                raise self.unexpected("a value")
            self.at += 1
            if not waiting and not (kind == "mark" and text == "-"):
                break
        while kind == "string" and self.kinds[self.at] == "string":
            self.at += 1


_WORDS_OF_FLOATS = {
    "inf": float("inf"), "infinity": float("inf"), "nan": float("nan"), "inff": float("inf"), "nanf": float("nan")
}  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _listed(words: Any) -> str:
    names = list(words)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _unknown_field(name: str, table: Message) -> str:
    """Why a field is refused: a near name, or the messages that do have it; for a layer's message how to add one."""
    text = f"{table.name} has no field {name}"
    near = difflib.get_close_matches(name, table.fields, 3, 0.75)
    files = {"NetParameter": "net", "SolverParameter": "solver"}
    other = next((o for o in files if table.name in files and o != table.name and o in owners().get(name, ())), None)
    if other:
        text += f"; it belongs in {other}: this looks like a {files[other]}'s prototxt,"
        text += f" and a {files[table.name]}'s belongs here"
    elif near:
        text += f"; did you mean {' or '.join(near)}?"
    elif elsewhere := owners().get(name):
        text += f"; it belongs in {' or '.join(elsewhere[:4])}"
    else:
        text += ", and no known fork of Caffe has one"
    if table.name == "LayerParameter" and name.endswith("_param"):
        text += " " if text.endswith("?") else ". "
        text += (
            "If it belongs to a layer type of your own, name its module with --plugin or import it (docs/layers.md)."
        )
    return text

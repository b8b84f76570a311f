"""Protobuf's wire format, walked field by field without building messages.

A file of weights is a few thousand small fields and some large arrays of floats. Walking it touches
only the headers; arrays stay slices of the file until they are copied where they belong.
Every declared length is held against the bytes that are there before it is believed.
"""

import mmap
import os
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from caffelike.errors import FileError, WeightsError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field: number, wire type, value (varints) and where its content lies: [start, end)."""

    number: int
    wire: int
    value: int
    start: int
    end: int


class Source:
    """The bytes of a file, mapped into memory, or bytes that are in memory already."""

    def __init__(self, data: Any, name: str, descriptor: int | None = None):
        self.data, self.name, self._descriptor = data, name, descriptor
        self.size = len(data)
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, path: str | os.PathLike) -> "Source":
        """Map a file; it stays open as long as somebody holds the Source, or blobs that read from it.

        Raises FileError when it cannot be opened, WeightsError when it is empty.
        """
        name = os.fspath(path)
        try:
            descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise FileError(f"Could not open file {name}: {error.strerror or error}") from error
        try:
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            os.close(descriptor)
            if isinstance(error, ValueError):
                raise WeightsError(f"{name} is empty; copy or download it again") from error
            kind = "it is a folder" if os.path.isdir(name) else error.strerror or error
            raise FileError(f"Could not open file {name}: {kind}") from error
        return cls(mapped, name, descriptor)

    def text(self, field: Field) -> str:
        """A string field."""
        return decode(bytes(self.data[field.start : field.end]))

    def error(self, message: str, offset: int) -> WeightsError:
        """An error that names the file and the byte."""
        return WeightsError(f"{self.name}: byte {offset}: {message}")

    def fields(self, start: int = 0, end: int | None = None, what: str = "the file") -> Iterator[Field]:
        """The fields of the message that lies in [start, end)."""
        data, position = self.data, start
        end = self.size if end is None else end
        while position < end:
            at = position
            tag, position = self.varint(position, end, what)
            number, wire, value = tag >> 3, tag & 7, 0
            if wire == VARINT:
                begin = position
                value, position = self.varint(position, end, what)
            elif wire == BYTES:
                length, begin = self.varint(position, end, what)
                position = begin + length
            elif wire in (FIXED32, FIXED64):
                begin, position = position, position + (4 if wire == FIXED32 else 8)
            else:
                number = 0
            if number == 0:
                raise self.error(
                    f"no field can begin with {data[at]:#04x} in {what}: this is no protobuf, or it is damaged;"
                    " copy or download the file again",
                    at,
                )
            if position > end:
                raise self.error(
                    f"field {number} of {what} declares {position - begin} bytes, but only {end - begin} are left:"
                    " the file is cut short or damaged; copy or download it again",
                    at,
                )
            yield Field(number, wire, value, begin, position)

    def varint(self, start: int, end: int, what: str) -> tuple[int, int]:
        """An integer of 1 to 10 bytes at `start`, and the position after it."""
        value = 0
        for index, byte in enumerate(self.data[start : min(start + 10, end)]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, start + index + 1
        if start + 10 > end:
            raise self.error(f"{what} ends within a number: the file is cut short; copy or download it again", start)
        raise self.error(f"a number of more than 10 bytes in {what}: the file is damaged", start)

    def run_length(self, tag: int, size: int, start: int, end: int) -> int:
        """How many fields of `size` bytes with the one-byte `tag` follow each other from `start`."""
        count, step = 0, 1 << 16
        while start < end:
            rows = min(step, (end - start) // (size + 1))
            if rows == 0:
                break
            tags = np.frombuffer(self.data, np.uint8, rows * (size + 1), start)[:: size + 1]
            same = rows if (tags == tag).all() else int(np.argmax(tags != tag))
            count += same
            if same < rows:
                break
            start += rows * (size + 1)
        return count

    def read_into(self, start: int, target: memoryview) -> None:
        """Copy bytes from `start` on until the target is full, past the map where there is a file.

        Reading instead of copying from the map keeps the file's pages out of the process.
        """
        if self._descriptor is None or not hasattr(os, "preadv"):
            target[:] = memoryview(self.data)[start : start + len(target)]
            return
        while len(target):
            count = os.preadv(self._descriptor, [target], start)
            if count == 0:
                raise self.error("the file became shorter while it was read", start)
            target, start = target[count:], start + count


def decode(data: bytes) -> str:
    """Text of a string field: UTF-8, else Latin-1, as the reader takes a definition in another encoding."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def varint(value: int) -> bytes:
    """An integer (negative ones as 64-bit two's complement) in wire form."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def header(number: int, length: int) -> bytes:
    """Tag and length of a string, message or packed field."""
    return varint(number << 3 | BYTES) + varint(length)


def write_pieces(file: Any, pieces: list[Any]) -> None:
    """Write all pieces; small ones joined, arrays as they lie in memory."""
    small: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            small.append(piece)
            continue
        _write_all(file, b"".join(small))
        small.clear()
        _write_all(file, memoryview(piece).cast("B") if piece.size else b"")
    _write_all(file, b"".join(small))


def _write_all(file: Any, data: Any) -> None:
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


def length_of(pieces: list[Any]) -> int:
    """Bytes that `write_pieces` will write."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.nbytes for piece in pieces)

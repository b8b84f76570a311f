"""Datum records without message objects: a walk over the few fields straight to an array.

A Datum is (channels, height, width, data or float_data, label, encoded); see proto/common.proto.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelike.errors import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT_TAG = 6 << 3 | _FIXED32


class Record(NamedTuple):
    """A parsed Datum. One of `data` (a view into the record) and `floats` holds the values.

    head: length of the bytes before `data`.
    """

    channels: int
    height: int
    width: int
    label: int
    data: memoryview | None
    floats: np.ndarray | None
    encoded: bool
    head: int

    def pixels(self) -> np.ndarray:
        """The raw values as (channels, height, width), uint8 or float32; a view. Raises DataError."""
        shape = (self.channels, self.height, self.width)
        size = self.channels * self.height * self.width
        values = np.frombuffer(self.data, np.uint8) if self.data is not None and len(self.data) else self.floats
        if values is None:
            raise DataError("it holds neither data nor float_data")
        if min(shape) <= 0 or values.size != size:
            raise DataError(
                f"it says channels x height x width = {'x'.join(map(str, shape))}, which is {size} values,"
                f" but holds {values.size}"
            )
        return values.reshape(shape)


class _Cut(Exception):
    """The bytes end, or make no sense, before the record does."""


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """(value, position after it) of the variable-length number at `at`."""
    value = view[at]
    if value < 128:
        return value, at + 1
    value &= 127
    for shift in range(7, 70, 7):
        at += 1
        byte = view[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + 1
    raise _Cut


def parse(buffer: Any) -> Record:
    """Read one record from bytes or a memory view. Raises DataError saying what is wrong with it."""
    view = memoryview(buffer)
    try:
        return _parse(view)
    except (_Cut, IndexError):
        raise DataError(f"its {len(view)} bytes are no Datum, or not a whole one") from None


def _parse(view: memoryview) -> Record:
    numbers = [0] * 8
    data: memoryview | None = None
    floats: list[np.ndarray] = []
    at = head = 0
    end = len(view)
    while at < end:
        tag = view[at]
        if tag == _FLOAT_TAG:
            values, at = _unpacked_floats(view, at)
            floats.append(values)
            continue
        tag, at = _varint(view, at)
        which, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
            if 0 < which < 8:
                numbers[which] = value
        elif wire == _BYTES:
            size, at = _varint(view, at)
            if at + size > end:
                raise _Cut
            if which == 4:
                data, head = view[at : at + size], at
            elif which == 6:
                if size % 4:
                    raise _Cut
                floats.append(np.frombuffer(view, "<f4", size // 4, at))
            at += size
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
            if at > end:
                raise _Cut
        else:
            raise _Cut
        if which == 0:
            raise _Cut
    channels, height, width, label = (_int32(numbers[i]) for i in (1, 2, 3, 5))
    joined = None if not floats else floats[0] if len(floats) == 1 else np.concatenate(floats)
    return Record(channels, height, width, label, data, joined, bool(numbers[7]), head)


def _unpacked_floats(view: memoryview, at: int) -> tuple[np.ndarray, int]:
    """The run of single floats at `at`, each after its own tag, and the position after it."""
    most = (len(view) - at) // 5
    if not most:
        raise _Cut
    rows = np.frombuffer(view, np.uint8, most * 5, at).reshape(most, 5)
    other = np.flatnonzero(rows[:, 0] != _FLOAT_TAG)
    count = int(other[0]) if other.size else most
    return np.ascontiguousarray(rows[:count, 1:]).view("<f4").ravel(), at + count * 5


def _int32(value: int) -> int:
    """A number as protobuf stores an int32: negative ones as 64 bits."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _number(number: int, value: int) -> bytes:
    out = bytearray([number << 3])
    _append_varint(out, value & 0xFFFFFFFFFFFFFFFF)
    return bytes(out)


def _append_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def to_bytes(pixels: np.ndarray | bytes, label: int = 0) -> bytes:
    """A record as Caffe's own tools write it.

    pixels: (channels, height, width) of uint8 (field `data`) or floats (`float_data`), or the bytes of an image file
    (`data`, `encoded: true`). label: an int32. Raises DataError for anything else.
    """
    if not -(2**31) <= int(label) < 2**31 or int(label) != label:
        raise DataError(f"A Datum's label is a whole number of 32 bits, not {label!r}.")
    tail = _number(5, int(label))
    if isinstance(pixels, (bytes, bytearray, memoryview)):
        return field(4, bytes(pixels)) + tail + _number(7, 1)
    array = np.asarray(pixels)
    if array.ndim != 3 or not array.size:
        raise DataError(f"A Datum holds an array of (channels, height, width), not one of shape {array.shape}.")
    head = b"".join(_number(i, size) for i, size in enumerate(array.shape, 1))
    if array.dtype == np.uint8:
        return head + field(4, array.tobytes()) + tail
    if array.dtype.kind == "f":
        rows = np.empty((array.size, 5), np.uint8)
        rows[:, 0] = _FLOAT_TAG
        rows[:, 1:] = np.ascontiguousarray(array, "<f4").reshape(-1, 1).view(np.uint8)
        return head + tail + rows.tobytes()
    raise DataError(f"A Datum holds uint8 or floats, not {array.dtype}. Convert the array first.")


def field(number: int, value: bytes) -> bytes:
    """A field of bytes (or of packed numbers) on the wire; number: up to 15."""
    out = bytearray([number << 3 | _BYTES])
    _append_varint(out, len(value))
    return bytes(out) + value

"""What files of weights hold: layers, and arrays whose numbers stay in the file until somebody wants them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, NamedTuple

import numpy as np

from caffelike.schema.wire import BYTES, FIXED32, FIXED64, VARINT, Field, Source, header, varint

_MAX_AXES = 32
_MAX_PIECES = 100_000
_CHUNK = 1 << 20

# Element types of the forks' byte arrays, by the numbers NVIDIA and OpenCL Caffe gave them.
_NVIDIA = {0: "<f8", 1: "<f4", 2: "<f2"}
_OPENCL = {0: "<f4", 1: "<f2", 2: "<f8"}


class LayerArrays(NamedTuple):
    """A layer to be written: its LayerParameter, and (data, diff or None) of each parameter.

    An entry None stands for a parameter stored elsewhere (a shared one, in HDF5).
    """

    message: Any
    blobs: Sequence[tuple[np.ndarray, np.ndarray | None] | None]


@dataclass
class StoredLayer:
    """A layer in a file of weights: its name, its type (as V2 names it) and its arrays.

    An entry of `blobs` is None where an HDF5 file leaves a shared parameter out. `numbers` are the
    fields its message holds; they tell forks apart.
    """

    name: str
    type: str
    blobs: list[Any]
    numbers: frozenset[int] = frozenset()
    generation: str = "V2"
    offset: int = 0
    end: int = 0


@dataclass
class WeightsFile:
    """A file of weights: the net's name, its layers in order, and the oldest form found (V0, V1, V2, HDF5)."""

    path: str
    name: str
    layers: list[StoredLayer]
    generation: str
    source: Any = dataclass_field(default=None, repr=False)

    def by_name(self, name: str) -> list[StoredLayer]:
        """All layers of a name; names need not be unique."""
        return [layer for layer in self.layers if layer.name == name]


class Slices:
    """Numbers of one array in the file: pieces (offset, count, dtype, stride in bytes) in order."""

    __slots__ = ("count", "pieces", "source")

    def __init__(self, source: Source):
        self.source = source
        self.pieces: list[tuple[int, int, str, int]] = []
        self.count = 0

    def add(self, offset: int, count: int, dtype: str, stride: int = 0) -> None:
        """Append a piece; without `stride` its numbers lie back to back."""
        if len(self.pieces) == _MAX_PIECES:
            raise self.source.error(f"an array in more than {_MAX_PIECES} pieces: the file is damaged", offset)
        if count:
            self.pieces.append((offset, count, dtype, stride or int(dtype[2])))
            self.count += count

    @property
    def dtype(self) -> str:
        """How the numbers are stored: float16, float32 or float64."""
        return np.dtype(self.pieces[0][2]).name if self.pieces else "float32"

    def chunks(self) -> Iterator[np.ndarray]:
        """All numbers in order as 1-D arrays that lie in the file, of some megabytes each."""
        for offset, count, dtype, stride in self.pieces:
            for start in range(0, count, _CHUNK):
                some = min(_CHUNK, count - start)
                yield np.ndarray((some,), dtype, self.source.data, offset + start * stride, (stride,))

    def copy_into(self, array: np.ndarray) -> None:
        """Fill a C-contiguous float32 array of equal count."""
        flat, position = array.reshape(-1), 0
        for offset, count, dtype, stride in self.pieces:
            target = flat[position : position + count]
            position += count
            if dtype == "<f4" and stride == 4 and flat.dtype == "<f4":
                self.source.read_into(offset, target.data.cast("B"))
                continue
            for start in range(0, count, _CHUNK):
                part = target[start : start + _CHUNK]
                piece = np.ndarray(len(part), dtype, self.source.data, offset + start * stride, (stride,))
                with np.errstate(all="ignore"):  # a double beyond float's range becomes an infinity
                    part[...] = piece


class StoredBlob:
    """An array in a file.

    shape: lengths of its axes; legacy: given as num, channels, height, width, which a net's blob of
    fewer axes also fits; count: how many numbers.
    """

    def __init__(self, shape: tuple[int, ...], legacy: bool, data: Any, diff: Any = None):
        self.shape, self.legacy = shape, legacy
        self.count = math.prod(shape)
        self._data, self._diff = data, diff

    @property
    def has_diff(self) -> bool:
        """Whether gradients are stored too."""
        return self._diff is not None

    @property
    def dtype(self) -> str:
        """How the numbers are stored: float16, float32 or float64."""
        return self._data.dtype

    @property
    def data(self) -> np.ndarray:
        """The numbers as a new float32 array of `shape`."""
        return self._read(self._data)

    @property
    def diff(self) -> np.ndarray | None:
        """The gradients as a new float32 array, or None."""
        return None if self._diff is None else self._read(self._diff)

    def chunks(self) -> Iterator[np.ndarray]:
        """The numbers piece by piece as 1-D arrays, in the type they are stored in."""
        return self._data.chunks()

    def copy_into(self, array: np.ndarray) -> None:
        """Copy the numbers into a C-contiguous float32 array of `count` elements, whatever its axes."""
        self._data.copy_into(array)

    def _read(self, slices: Any) -> np.ndarray:
        array = np.empty(self.shape, np.float32)
        slices.copy_into(array)
        return array


def read_blob(source: Source, start: int, end: int, what: str) -> StoredBlob:
    """The BlobProto that lies in [start, end) of a file; `what` names it in errors.

    Takes the forms of all versions and forks: packed and single floats, doubles, NVIDIA's and
    OpenCL's byte arrays, C3D's five dims. Raises WeightsError when shape and numbers do not agree.
    """
    parts = _Parts(source, what)
    position = start
    while position < end:
        for field in source.fields(position, end, what):
            position = field.end
            if parts.take(field, end) != position:
                position = parts.position
                break
    shape, legacy = parts.shape()
    data, diff = parts.arrays()
    count = math.prod(shape)
    if data.count != count:
        raise source.error(
            f"{what} has shape {_words(shape)} = {count} values, but {data.count} are stored:"
            " the file is damaged; copy or download it again",
            start,
        )
    if diff is not None and diff.count != count:
        raise source.error(f"{what} has {count} values but {diff.count} gradients are stored", start)
    return StoredBlob(shape, legacy, data, diff)


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"


class _Parts:
    """What a BlobProto holds, collected field by field."""

    def __init__(self, source: Source, what: str):
        self.source, self.what = source, what
        self.dims: list[int] = []
        self.has_shape = False
        self.legacy: dict[int, int] = {}
        self.floats = {number: Slices(source) for number in (5, 6, 7, 8, 9)}
        self.kinds: dict[int, int] = {}
        self.raw: dict[int, Field] = {}
        self.position = 0

    def take(self, field: Field, end: int) -> int:
        """Note one field; returns where the next begins (after a run of single floats: far behind)."""
        number, wire = field.number, field.wire
        self.position = field.end
        if number <= 5 and wire == VARINT:
            self.legacy[number] = field.value
        elif number == 7 and wire == BYTES and 5 not in self.legacy:
            self._shape(field)
        elif number in (5, 6, 7) and wire in (BYTES, FIXED32):
            self._numbers(field, 4, end)
        elif number in (8, 9) and wire in (BYTES, FIXED64):
            self._numbers(field, 8, end)
        elif number in (10, 11, 13) and wire == VARINT:
            self.kinds[number] = field.value
        elif number in (11, 12, 13) and wire == BYTES:
            self.raw[number] = field
        return self.position

    def _shape(self, field: Field) -> None:
        self.has_shape = True
        for dim in self.source.fields(field.start, field.end, f"the shape of {self.what}"):
            if dim.number == 1 and dim.wire == VARINT:
                self.dims.append(_signed(dim.value))
            elif dim.number == 1 and dim.wire == BYTES:
                position = dim.start
                while position < dim.end:
                    value, position = self.source.varint(position, dim.end, f"the shape of {self.what}")
                    self.dims.append(_signed(value))
            if len(self.dims) > _MAX_AXES:
                raise self.source.error(f"{self.what} has more than {_MAX_AXES} axes", field.start)

    def _numbers(self, field: Field, size: int, end: int) -> None:
        """A packed array, or as many single numbers as follow each other."""
        slices, dtype = self.floats[field.number], f"<f{size}"
        if field.wire == BYTES:
            length = field.end - field.start
            if length % size:
                raise self.source.error(
                    f"{length} bytes of {self.what} are no whole number of {size}-byte values", field.start
                )
            slices.add(field.start, length // size, dtype)
            return
        tag = self.source.data[field.start - 1]
        count = self.source.run_length(tag, size, field.start - 1, end)
        slices.add(field.start, count, dtype, size + 1)
        self.position = field.start - 1 + count * (size + 1)

    def shape(self) -> tuple[tuple[int, ...], bool]:
        """The shape, and whether it is of the old form (which counts when both are there)."""
        if 5 in self.legacy:
            shape: tuple[int, ...] = tuple(_signed(self.legacy.get(axis, 0)) for axis in range(1, 6))
        elif self.legacy:
            shape = tuple(_signed(self.legacy.get(axis, 0)) for axis in range(1, 5))
        else:
            shape = tuple(self.dims)
        if any(dim < 0 for dim in shape):
            raise self.source.error(f"{self.what} has the shape {_words(shape)}", self.position)
        return shape, bool(self.legacy) and 5 not in self.legacy

    def arrays(self) -> tuple[Slices, Slices | None]:
        """Data and diff, whichever fields hold them."""
        if 5 in self.legacy:
            return self.floats[6], self._some(self.floats[7])
        data = self.floats[8] if self.floats[8].count else self.floats[5]
        diff = self.floats[9] if self.floats[9].count else self.floats[6]
        if data.count == 0 and self.raw:
            data, raw_diff = self._raw()
            diff = diff if diff.count else raw_diff
        return data, self._some(diff)

    @staticmethod
    def _some(slices: Slices) -> Slices | None:
        return slices if slices.count else None

    def _raw(self) -> tuple[Slices, Slices]:
        """Byte arrays: OpenCL's packed_data 11, packed_diff 12, data_type 13; NVIDIA's raw_data 12, raw_diff 13."""
        if 11 in self.raw:
            kind = self.kinds.get(13, 0)
            numbers, kinds, known, who = (11, 12), (kind, kind), _OPENCL, "OpenCL Caffe's data_type"
        else:
            numbers, kinds = (12, 13), (self.kinds.get(10, 0), self.kinds.get(11, 0))
            known, who = _NVIDIA, "NVIDIA Caffe's raw_data_type"
        found = []
        for number, kind in zip(numbers, kinds, strict=True):
            slices = Slices(self.source)
            found.append(slices)
            if (field := self.raw.get(number)) is None:
                continue
            if kind not in known:
                raise self.source.error(
                    f"{self.what} is stored as {who} {kind}; only 16, 32 and 64-bit floats can be read", field.start
                )
            dtype = known[kind]
            size = int(dtype[2])
            if (field.end - field.start) % size:
                raise self.source.error(
                    f"{field.end - field.start} bytes of {self.what} are no whole number of {size}-byte values",
                    field.start,
                )
            slices.add(field.start, (field.end - field.start) // size, dtype)
        return found[0], found[1]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def blob_pieces(data: np.ndarray, diff: np.ndarray | None = None, legacy: bool = False) -> list[Any]:
    """A BlobProto in wire form: bytes, and arrays whose memory is to be written between them.

    legacy: the shape (of four axes) as num, channels, height, width.
    """
    pieces: list[Any] = []
    if legacy:
        pieces.append(b"".join(varint(axis << 3) + varint(length) for axis, length in enumerate(data.shape, 1)))
    for number, array in ((5, data), (6, diff)):
        if array is not None and array.size:
            flat = np.ascontiguousarray(array, "<f4").reshape(-1)
            pieces += [header(number, flat.nbytes), flat]
    if legacy:
        return pieces
    dims = b"".join(varint(length) for length in data.shape)
    shape = header(1, len(dims)) + dims if dims else b""
    return [*pieces, header(7, len(shape)) + shape]

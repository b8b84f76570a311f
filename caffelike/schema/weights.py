"""Files of weights in binary form: .caffemodel of all generations and forks, and .binaryproto.

A file is walked, not parsed: weights are found by layer name, type and blobs, whatever else a fork
put into the message under whatever number. They are written as headers and views of the arrays, in
the form BVLC Caffe 1.0 writes and reads. HDF5 files are `schema.weights_hdf5`, states `schema.state`.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffelike.errors import WeightsError
from caffelike.files import atomic_path
from caffelike.schema import message_class
from caffelike.schema.fields import describe
from caffelike.schema.stored import LayerArrays, StoredBlob, StoredLayer, WeightsFile, blob_pieces, read_blob
from caffelike.schema.upgrade import v1_type_name
from caffelike.schema.weights_hdf5 import is_hdf5, read_hdf5_weights, write_hdf5_weights
from caffelike.schema.wire import BYTES, VARINT, Field, Source, decode, header, length_of, write_pieces

__all__ = [
    "LayerArrays",
    "StoredBlob",
    "StoredLayer",
    "WeightsFile",
    "layer_message",
    "read_hdf5_weights",
    "read_mean",
    "read_weights",
    "write_hdf5_weights",
    "write_mean",
    "write_net",
    "write_weights",
]

_MAX_LAYERS = 1_000_000

# Numbers of name, type and blobs in the three generations of layer messages.
_V2 = {"name": 1, "type": 2, "blobs": 7}
_V1 = {"name": 4, "type": 5, "blobs": 6}
_V0 = {"name": 1, "type": 2, "blobs": 50}


def read_weights(path: str | os.PathLike) -> WeightsFile:
    """The layers of a .caffemodel; arrays stay in the file until they are copied.

    An HDF5 file is known by its first bytes, whatever its name. Raises FileError when the file cannot
    be opened, WeightsError when it is no file of weights, cut short or damaged.
    """
    source = Source.open(path)
    return read_hdf5_weights(path) if is_hdf5(source.data) else parse_weights(source)


def parse_weights(source: Source) -> WeightsFile:
    """`read_weights` on bytes: `parse_weights(Source(data, "a name for errors"))`."""
    _refuse_other_files(source)
    name, layers = "", []
    for item in source.fields(what="the net"):
        if item.wire != BYTES:
            continue
        if item.number == 1:
            name = source.text(item)
        elif item.number in (2, 100):
            layers.append(_layer(source, item))
        if len(layers) > _MAX_LAYERS:
            raise source.error(f"more than {_MAX_LAYERS} layers: this is no file of weights", item.start)
    if not layers:
        raise WeightsError(f"{source.name} holds no layers; give a .caffemodel that was trained")
    generation = min(layer.generation for layer in layers)
    return WeightsFile(source.name, name, layers, generation, source)


def _layer(source: Source, item: Field) -> StoredLayer:
    """One entry of `layer` (100) or `layers` (2), whose own `layer` (1) makes it V0."""
    layout, generation, what = (_V2, "V2", "a layer") if item.number == 100 else (_V1, "V1", "a layer")
    parts = list(source.fields(item.start, item.end, what))
    if item.number == 2:
        inner = next((part for part in parts if part.number == 1 and part.wire == BYTES), None)
        if inner is not None:
            layout, generation = _V0, "V0"
            parts = list(source.fields(inner.start, inner.end, what))
    name = type_name = ""
    for part in parts:
        if part.number == layout["name"] and part.wire == BYTES:
            name = source.text(part)
        elif part.number == layout["type"]:
            type_name = source.text(part) if part.wire == BYTES else _v1_type(part.value)
    blobs: list[StoredBlob | None] = [
        read_blob(source, part.start, part.end, f"blob {index} of layer {name}")
        for index, part in enumerate(part for part in parts if part.number == layout["blobs"] and part.wire == BYTES)
    ]
    numbers = frozenset(part.number for part in parts)
    return StoredLayer(name, type_name, blobs, numbers, generation, item.start, item.end)


def _v1_type(number: int) -> str:
    """V2's name of a V1 type number; forks' numbers may mean another type."""
    words = message_class("V1LayerParameter").LayerType.DESCRIPTOR.values_by_number
    return v1_type_name(words[number].name) if number in words else str(number)


def layer_message(file: WeightsFile, layer: StoredLayer) -> Any:
    """The message of a stored layer without its blobs: a LayerParameter, or a V1LayerParameter.

    Raises WeightsError when a fork gave another meaning to a number that BVLC Caffe uses.
    """
    name, layout = ("LayerParameter", _V2) if layer.generation == "V2" else ("V1LayerParameter", _V1)
    source = file.source
    data = b"".join(_without(source, layer.offset, layer.end, layout["blobs"], layer.generation == "V0"))
    try:
        return readable(message_class(name).FromString(data))
    except DecodeError as error:
        raise WeightsError(
            f"{file.path}: byte {layer.offset}: the definition of layer {layer.name} cannot be read ({error});"
            " it was written by a fork with other field numbers. Its weights can be: give the net as .prototxt."
        ) from error


def readable(message: Any) -> Any:
    """The message with strings that are not UTF-8, which Caffe writes and protobuf gives as bytes, made text."""
    for descriptor, value in message.ListFields():
        field = describe(message.DESCRIPTOR).fields[descriptor.name]
        if field.kind == "message":
            for part in value if field.repeated else [value]:
                readable(part)
        elif field.kind == "string" and field.repeated:
            if any(isinstance(item, bytes) for item in value):
                value[:] = [decode(item) if isinstance(item, bytes) else item for item in value]
        elif field.kind == "string" and isinstance(value, bytes):
            setattr(message, field.name, decode(value))
    return message


def _without(source: Source, start: int, end: int, blobs: int, v0: bool) -> Iterator[bytes]:
    """The bytes of a layer message without its blobs (in V0: without those of the layer inside)."""
    position = start
    for part in source.fields(start, end, "a layer"):
        if part.number == 1 and v0:
            inner = b"".join(_without(source, part.start, part.end, _V0["blobs"], False))
            yield header(1, len(inner)) + inner
        elif part.number != blobs:
            yield bytes(source.data[position : part.end])
        position = part.end


def _refuse_other_files(source: Source) -> None:
    """Raise for files people mistake for weights, each by its name."""
    head = bytes(source.data[:256])
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{source.name} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    if head.lstrip()[:1] == b"<":
        raise WeightsError(f"{source.name} is a web page, not weights; download the file itself")
    if head[:4] == b"PK\3\4":
        raise WeightsError(
            f"{source.name} is a zip archive; unpack it first (a bundle is given to classify, detect and test as it is)"
        )
    if head[:3] == b"\xff\xd8\xff" or head[:4] == b"\x89PNG":
        raise WeightsError(f"{source.name} is a picture, not weights; give a .caffemodel here")
    if head[:6] == b"\x93NUMPY":
        raise WeightsError(
            f"{source.name} is a NumPy array, not weights; give a .caffemodel here, and numpy.load reads it"
        )
    if head[:2] == b"\x1f\x8b" or head[:6] == b"\xfd7zXZ\0" or head[:3] == b"BZh":
        raise WeightsError(f"{source.name} is compressed; unpack it first")
    if all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head):
        raise WeightsError(f"{source.name} is text, not weights; give the .caffemodel here, and the text as the net")
    first = next(source.fields(what="the file"), None)
    if first is not None and first.number == 1 and first.wire == VARINT:
        other = "a solver state: give it as -snapshot" if is_state(source) else "an array (.binaryproto)"
        raise WeightsError(f"{source.name} holds no weights of a net but {other}; give a .caffemodel here")


def is_state(source: Source) -> bool:
    """Whether a message that begins with a number is a SolverState (else a BlobProto)."""
    for item in source.fields(what="the file"):
        if item.number == 2:
            return item.wire == BYTES
        if item.number in (5, 7):
            return False
    return True


# ---- writing ----


def write_weights(path: str | os.PathLike, name: str, layers: Sequence[LayerArrays]) -> None:
    """Write a .caffemodel that BVLC Caffe reads: the V2 form with BlobShape and packed floats.

    The file appears complete or not at all. Raises FileError when it cannot be written.
    """
    encoded = name.encode()
    write_net(path, header(1, len(encoded)) + encoded, layers)


def write_net(path: str | os.PathLike, head: bytes, layers: Iterable[LayerArrays]) -> None:
    """Write a net whose own fields are `head` in wire form; entries of blobs may be StoredBlobs too."""
    with atomic_path(path) as temporary, open(temporary, "wb", buffering=0) as file:
        write_pieces(file, [head])
        for layer in layers:
            write_pieces(file, _layer_pieces(layer))


def _layer_pieces(layer: LayerArrays) -> list[Any]:
    """A LayerParameter in wire form, fields in order of their numbers as Caffe writes them."""
    message = layer.message.SerializePartialToString(deterministic=True)
    source = Source(message, "a layer")
    before: list[Any] = []
    after: list[Any] = []
    position = 0
    for item in source.fields():
        if item.number != _V2["blobs"]:
            (before if item.number < _V2["blobs"] else after).append(message[position : item.end])
        position = item.end
    pieces: list[Any] = []
    for entry in layer.blobs:
        if entry is None:
            raise WeightsError("a binary file of weights holds every parameter, also the shared ones")
        blob = (
            blob_pieces(entry.data, entry.diff, entry.legacy) if isinstance(entry, StoredBlob) else blob_pieces(*entry)
        )
        pieces += [header(_V2["blobs"], length_of(blob)), *blob]
    pieces = [*before, *pieces, *after]
    return [header(100, length_of(pieces)), *pieces]


# ---- single arrays: mean files ----


def read_mean(path: str | os.PathLike) -> np.ndarray:
    """The array of a .binaryproto as float32, in its stored shape (mean files: 1 x C x H x W).

    Raises FileError, WeightsError.
    """
    source = Source.open(path)
    first = next(source.fields(what="the array"), None)
    if is_hdf5(source.data) or (first is not None and first.number in (2, 100) and first.wire == BYTES):
        raise WeightsError(f"{source.name} holds the weights of a net; an array (.binaryproto) is expected here")
    return read_blob(source, 0, source.size, "the array").data


def write_mean(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write an array of up to four axes as .binaryproto with num, channels, height, width, as Caffe's tools do.

    Raises FileError.
    """
    four = array.reshape((1,) * (4 - array.ndim) + array.shape)
    with atomic_path(path) as temporary, open(temporary, "wb", buffering=0) as file:
        write_pieces(file, blob_pieces(four, legacy=True))

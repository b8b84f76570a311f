"""What differs between two definitions, or two files of weights."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelike.errors import FileError
from caffelike.schema import text
from caffelike.schema.definitions import read_solver
from caffelike.schema.fields import describe
from caffelike.schema.weights import read_weights


@dataclass(frozen=True)
class Difference:
    """One difference. layer: "" for fields of the net or solver itself. what: a field's path such as
    `convolution_param.pad`, "order", or "blob 0". a, b: both values as text, "" where there is none.
    largest, relative: for arrays of equal shape, of the absolute differences, and over the largest absolute value.
    """

    layer: str
    what: str
    a: str
    b: str
    largest: float | None = None
    relative: float | None = None


def diff_nets(a: str | os.PathLike, b: str | os.PathLike) -> list[Difference]:
    """Compare two nets' prototxts by layer name, after bringing both to the current form.

    Fields that say their default are equal to fields left out. Raises what reading raises.
    """
    one, other = text.read_net(a).message, text.read_net(b).message
    found = list(_fields(one, other, "", skip=("layer",)))
    first, second = _by_name(one.layer), _by_name(other.layer)
    for name in [*first, *(name for name in second if name not in first)]:
        if name not in second or name not in first:
            there, here = first.get(name), second.get(name)
            found.append(Difference(name, "layer", there.type if there else "", here.type if here else ""))
        else:
            found += _fields(first[name], second[name], name)
    both = [[name for name in names if name in first and name in second] for names in (first, second)]
    moved = next((pair for pair in zip(*both, strict=True) if pair[0] != pair[1]), None)
    return [*found, Difference("", "order", moved[0], moved[1])] if moved else found


def diff_solvers(a: str | os.PathLike, b: str | os.PathLike) -> list[Difference]:
    """Compare two solvers' prototxts field by field."""
    return list(_fields(read_solver(a).message, read_solver(b).message, ""))


def diff_weights(a: str | os.PathLike, b: str | os.PathLike) -> list[Difference]:
    """Compare two files of weights by layer name, array by array; equal bits are no difference, NaN equals NaN."""
    one, other = read_weights(a), read_weights(b)
    first = {layer.name: layer for layer in reversed(one.layers) if layer.blobs}
    second = {layer.name: layer for layer in reversed(other.layers) if layer.blobs}
    found: list[Difference] = []
    for name in dict.fromkeys([layer.name for file in (one, other) for layer in file.layers if layer.blobs]):
        arrays = [[x for x in file[name].blobs if x is not None] if name in file else [] for file in (first, second)]
        for i in range(max(map(len, arrays))):
            found += _arrays(name, f"blob {i}", *(side[i] if i < len(side) else None for side in arrays))
    return found


def is_definition(path: str | os.PathLike) -> bool:
    """Whether a file is text, as definitions are, and not binary or HDF5, as weights are."""
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise FileError(f"Could not open file {os.fspath(path)}: {error.strerror}") from error
    return (
        b"\0" not in head and not head.startswith((b"\n", b"\x89HDF")) and all(c >= 32 or c in b"\t\r\n" for c in head)
    )


def _by_name(layers: Any) -> dict[str, Any]:
    """Layers by name; one that repeats a name gets a number, as train and test forms of a data layer do."""
    found: dict[str, Any] = {}
    for layer in layers:
        name, count = layer.name, 2
        while name in found:
            name, count = f"{layer.name} #{count}", count + 1
        found[name] = layer
    return found


def _fields(a: Any, b: Any, layer: str, path: str = "", skip: tuple[str, ...] = ()) -> Iterator[Difference]:
    for field in describe(a.DESCRIPTOR).fields.values():
        name = field.name
        if name in skip or name not in a.DESCRIPTOR.fields_by_name:  # a plug-in's message is not compared
            continue
        x, y = getattr(a, name), getattr(b, name)
        where = f"{path}{name}"
        if field.repeated:
            if list(x) != list(y):
                if field.kind == "message" and len(x) == len(y):
                    for i, (one, other) in enumerate(zip(x, y, strict=True)):
                        yield from _fields(one, other, layer, f"{where}[{i}].")
                else:
                    yield Difference(layer, where, _shown(x, field), _shown(y, field))
        elif field.kind == "message":
            if x != y:
                yield from _fields(x, y, layer, f"{where}.")
        elif x != y and not (x != x and y != y):  # NaN equals NaN here
            yield Difference(layer, where, _word(x, field), _word(y, field))


def _shown(values: Any, field: Any) -> str:
    if field.kind == "message":
        return " ".join(f"{{ {' '.join(str(value).split())} }}" for value in values)
    return ", ".join(_word(value, field) for value in values)


def _word(value: Any, field: Any) -> str:
    if field.kind == "enum":
        return next((word for word, number in (field.words or {}).items() if number == value), str(value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _arrays(layer: str, what: str, a: Any, b: Any) -> Iterator[Difference]:
    here, there = ("" if stored is None else " x ".join(map(str, stored.shape)) or "scalar" for stored in (a, b))
    if a is None or b is None or a.count != b.count:
        yield Difference(layer, what, here, there)
        return
    one, other = (np.empty(stored.count, np.float32) for stored in (a, b))
    a.copy_into(one)
    b.copy_into(other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return
    with np.errstate(invalid="ignore", over="ignore"):
        largest = float(np.abs(one[~same] - other[~same]).max())
        scale = float(max(np.abs(one).max(), np.abs(other).max()))
    yield Difference(layer, what, here, there, largest, largest / scale if scale else 0.0)

"""Receptive fields: which pixels of a net's inputs a pixel of each blob is computed from.

Layers say what their windows are (`Layer.reach`); this follows them through the net. Padding counts as pixels, as in
the papers, so a field may be larger than the image. Normalisation with statistics of the batch does not count.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from caffelike.graph.node import Node
from caffelike.layer import Reach, Sees, Shape

Number = int | Fraction


class Field(NamedTuple):
    """Pixel p of a blob is computed from `size` pixels of the input, from start + stride * p on, axis by axis.

    stride: 0 where every pixel is computed from the same ones. places: how many pixels the blob has.
    """

    size: tuple[Number, ...]
    stride: tuple[Number, ...]
    start: tuple[Number, ...]
    places: Shape

    def rounded(self) -> tuple[int, ...]:
        """`size` in whole pixels."""
        return tuple(ceil(n) for n in self.size)


Fields = dict[str, Field]  # by the input's name; empty where there are no pixels


def receptive_fields(nodes: Sequence[Node]) -> list[list[Fields | None]]:
    """For each layer, those of its tops. None: it depends on the data, or on a shape that hides where pixels are.

    An input has pixels if it has three axes or more: all behind the first two.
    """
    known: dict[int, Fields | None] = {}
    found: list[list[Fields | None]] = []
    for node in nodes:
        sources = [(known[i], blob) for i, blob in zip(node.bottom_ids, node.bottom, strict=True)]
        tops: list[Fields | None] = []
        for number, (name, blob) in enumerate(zip(node.top_names, node.top, strict=True)):
            if not sources:
                tops.append(_of_input(name, blob.shape))
                continue
            one = node.layer.pairwise
            tops.append(
                _merged(
                    _through(node, index, fields, below.shape, blob.shape)
                    for index, (fields, below) in enumerate(sources)
                    if not one or index == number
                )
            )
        known.update(zip(node.top_ids, tops, strict=True))
        found.append(tops)
    return found


def _of_input(name: str, shape: Shape) -> Fields:
    axes = len(shape) - 2
    return {name: Field((1,) * axes, (1,) * axes, (0,) * axes, shape[2:])} if axes > 0 else {}


def _through(node: Node, index: int, fields: Fields | None, bottom: Shape, top: Shape) -> Fields | None:
    """What a top sees through bottom `index`."""
    reach = node.layer.reach(index, bottom, top)
    if reach is Sees.NOTHING:
        return {}
    if fields is None or reach is Sees.UNKNOWN:
        return None
    if reach is Sees.PIXEL:
        return fields
    if reach is Sees.ALL:
        return {name: _everything(field) for name, field in fields.items()}
    assert isinstance(reach, Reach)
    seen = {name: _window(field, reach, bottom[2:], top[2:]) for name, field in fields.items()}
    return None if None in seen.values() else {name: field for name, field in seen.items() if field}


def _everything(field: Field) -> Field:
    size = [n + s * (count - 1) for n, s, count in zip(field.size, field.stride, field.places, strict=True)]
    return field._replace(size=tuple(size), stride=(0,) * len(size))


def _window(field: Field, reach: Reach, bottom: Shape, top: Shape) -> Field | None:
    if not any(field.stride):
        return field
    if field.places != bottom or len(reach.extent) != len(bottom):  # reshaped: which axis is which, nobody knows
        return None
    axes = list(zip(field.stride, reach.extent, reach.step, reach.start, field.size, field.start, strict=True))
    return Field(
        tuple(size + s * (extent - 1) for s, extent, _, _, size, _ in axes),
        tuple(s * step for s, _, step, *_ in axes),
        tuple(start + s * begin for s, _, _, begin, _, start in axes),
        top,
    )


def _merged(parts: Iterable[Fields | None]) -> Fields | None:
    """What is seen through several bottoms together."""
    total: Fields = {}
    for fields in parts:
        if fields is None:
            return None
        for name, field in fields.items():
            other = total.get(name, field)
            if len(other.size) != len(field.size):
                return None
            total[name] = _union(other, field)
    return total


def _union(a: Field, b: Field) -> Field:
    if a.stride != b.stride:
        a, b = _everything(a), _everything(b)
    start = tuple(map(min, a.start, b.start))
    ends = [max(p + n, q + m) for p, n, q, m in zip(a.start, a.size, b.start, b.size, strict=True)]
    places = tuple(map(max, a.places, b.places))
    return Field(tuple(e - s for e, s in zip(ends, start, strict=True)), a.stride, start, places)


def widest(fields: Sequence[Fields | None]) -> Fields:
    """A layer's fields: of its tops the largest; empty where there are none or they are not known."""
    return _merged(fields) or {}

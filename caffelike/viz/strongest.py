"""What a unit looks for: the pictures and patches of a set that it answers most strongly."""

from collections.abc import Iterable
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.graph.receptive import receptive_fields
from caffelike.viz import passes


class Strongest(NamedTuple):
    """score: the unit's answer. image: the number of the picture in the set. place: (row, column) in the unit's map.

    box: (top, left, bottom, right), the part of the input that the place sees, in pixels, cut at its borders.
    """

    score: float
    image: int
    place: tuple[int, int]
    box: tuple[int, int, int, int]


def strongest(net: Net, images: Iterable[np.ndarray], layer: str, unit: int, count: int = 9) -> list[Strongest]:
    """The `count` pictures, inputs (C, H, W), that a unit answers most strongly, the best first; one place of each.

    Of equal ones the first counts. Raises CaffelikeError for a blob without positions.
    """
    blob = passes.blob_of(net, layer)
    found = []
    for number, x in enumerate(images):
        passes.show(net, x)
        if len(net.blobs[blob].shape) != 4:
            raise CaffelikeError(f"The blob '{blob}' has the shape {net.blobs[blob].shape}: no rows and columns.")
        passes.one_unit(net, blob, unit)
        plane = net.blobs[blob].data[0, unit]
        row, column = (int(n) for n in np.unravel_index(int(plane.argmax()), plane.shape))
        found.append(Strongest(float(plane[row, column]), number, (row, column), seen(net, blob, (row, column))))
    return sorted(found, key=lambda one: -one.score)[:count]


def seen(net: Net, blob: str, place: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right): the pixels of the input that a place of a blob's maps is computed from."""
    index = passes.last_writer(net, blob)
    fields = receptive_fields(net._nodes)[index][list(net.top_names.values())[index].index(blob)]
    height, width = net.input_blobs[0].shape[2:]
    field = (fields or {}).get(net.inputs[0])
    if field is None:
        return 0, 0, height, width
    first = [start + stride * at for start, stride, at in zip(field.start, field.stride, place, strict=True)]
    last = [at + size for at, size in zip(first, field.size, strict=True)]
    top, left = (max(0, floor(at)) for at in first)
    return top, left, min(height, ceil(last[0])), min(width, ceil(last[1]))

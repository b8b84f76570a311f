"""The deconvolutional network of Zeiler and Fergus (2014): a unit's answer, carried back to the picture."""

import numpy as np

from caffelike.graph.net import Net
from caffelike.viz import passes

_PASSED_ON = ("LRN", "Dropout")


def deconvolve(
    net: Net, x: np.ndarray, layer: str, unit: int, place: tuple[int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """The pattern in the input x (C, H, W) that made one unit of a layer answer as it did; and the place of the unit.

    place: (row, column) in the unit's map; default: where it answers most. All other activations of the layer are set
    to zero. On the way down convolutions work with their filters transposed, without bias; a pooling puts what it gets
    where its maximum was (its switch); ReLU lets through what is positive of what comes from above, whatever it saw on
    the way up; LRN and Dropout pass it on. Returns float32 of x's shape; zero outside of the unit's receptive field.
    """
    blob = passes.blob_of(net, layer)
    passes.show(net, x)
    values = net.blobs[blob].data[0]
    diff = passes.one_unit(net, blob, unit, 0)
    if place is None:
        row, column = np.unravel_index(int(values[unit].argmax()), values[unit].shape)
        place = (int(row), int(column))
    diff[(0, unit, *place)] = values[(unit, *place)]
    return passes.down(net, blob, diff, _upwards)[0], place


def _upwards(net: Net, layer: int) -> bool:
    """The rules that differ from those of a gradient."""
    kind = net.layers[layer].type
    if kind != "ReLU" and kind not in _PASSED_ON:
        return False
    bottoms, tops = list(net.bottom_names.values())[layer], list(net.top_names.values())[layer]
    for bottom, top in zip(bottoms, tops, strict=True):
        signal = net.blobs[top].diff
        net.blobs[bottom].diff[...] = np.maximum(signal, 0) if kind == "ReLU" else signal
    return True

"""BatchReindex: the items of a batch in another order."""

import numpy as np

from caffelike.errors import DataError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("BatchReindex")
class BatchReindex(Layer):
    """y[i] = x[index[i]]: items may be left out and may come several times.

    bottoms: x (N, ...); index (M,), cut to integers. tops: y (M, ...).
    Gradient: to x, summed over the uses of an item; none to index.
    Errors: ShapeError unless index has one axis, DataError for an index outside 0 .. N - 1.
    Source: BVLC Caffe's BatchReindex layer.
    """

    bottoms = ("x", "index")
    no_gradient = ("index",)
    backward_reads = ("index",)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """As many items as there are indices."""
        x, index = shapes
        if not x or len(index) != 1:
            raise self.fail(f"needs a batch and indices of one axis, but the bottoms are {x} and {index}.")
        return [(index[0], *x[1:])]


def forward(x: np.ndarray, index: np.ndarray, y: np.ndarray) -> None:
    """Copy the items named."""
    bad = ~((np.trunc(index) >= 0) & (np.trunc(index) < x.shape[0]))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"index {index[place]:g} at place {place} is outside 0 to {x.shape[0] - 1}, the items of the batch."
        )
    y[...] = x[index.astype(np.intp)]


def backward(dy: np.ndarray, index: np.ndarray, dx: np.ndarray) -> None:
    """Add each gradient to the item it came from."""
    dx[...] = 0
    np.add.at(dx, index.astype(np.intp), dy)

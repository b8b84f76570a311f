"""Split: one blob for several readers."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Split", names=["IntelPack", "IntelUnpack"])
class Split(Layer):
    """Every top is the bottom, by sharing its memory. The graph inserts one where a blob has several readers.

    bottoms: x, any shape. tops: one or more, each x.
    Gradient: the sum of the tops' gradients. Source: BVLC Caffe's Split layer. IntelPack and IntelUnpack, which Intel's
    engine of 2015 put around its own memory layout, change no number and are this too.
    """

    tops = ("*ys",)
    shares = ("data",)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's, for each top."""
        return [shapes[0]] * len(self.message.top)


def backward(dys: tuple[np.ndarray | None, ...], dx: np.ndarray) -> None:
    """Sum what the readers hand back."""
    grads = [dy for dy in dys if dy is not None]
    if len(grads) < 2:
        dx[...] = grads[0] if grads else 0
        return
    np.add(grads[0], grads[1], out=dx)
    for dy in grads[2:]:
        dx += dy

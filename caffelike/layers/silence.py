"""Silence: an end for blobs that nobody reads."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Silence", names=["implicit"])
class Silence(Layer):
    """Takes blobs and makes nothing, so that they are no outputs of the net.

    bottoms: one or more, any shape. tops: none.
    Gradient: 0. Source: BVLC Caffe's Silence layer; implicit: netscope's word for a blob that something else reads.
    """

    bottoms = ("*xs",)
    tops = ()

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """No top."""
        return []


def backward(dxs: tuple[np.ndarray | None, ...]) -> None:
    """Nothing depends on the bottoms."""
    for dx in dxs:
        if dx is not None:
            dx[...] = 0

"""Switch: one of several blobs."""

from collections.abc import Sequence

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Switch")
class Switch(Layer):
    """y is one of the bottoms: the first, until `net.layer_dict[name].select(i)` chooses another.

    bottoms: xs, one or more of one shape. tops: y.
    Gradient: to the bottom that was chosen; 0 to the others. Errors: ShapeError for bottoms of different shapes.
    Source: CMU's caffe_rtpose, which chooses the stage of a pose network whose result it wants.
    """

    bottoms = ("*xs",)

    def select(self, index: int) -> None:
        """Pass on bottom `index` from the next forward pass on. Raises ModelError where there is none such."""
        if not 0 <= index < len(self.message.bottom):
            raise self.fail(f"has no bottom {index}: it has {len(self.message.bottom)}.")
        self._chosen[0] = index

    def setup(self, p: object, *shapes: Shape) -> None:
        """Choose the first."""
        self._chosen = np.zeros(1, np.int64)
        self.options = {"chosen": self._chosen}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottoms' shape."""
        if any(shape != shapes[0] for shape in shapes):
            raise self.fail(f"all bottoms must have one shape, but they are {', '.join(map(str, shapes))}.")
        return [shapes[0]]


def forward(xs: Sequence[np.ndarray], y: np.ndarray, chosen: np.ndarray) -> None:
    """Copy the one."""
    np.copyto(y, xs[int(chosen[0])])


def backward(dy: np.ndarray, dxs: Sequence[np.ndarray | None], chosen: np.ndarray) -> None:
    """Copy to the one."""
    for i, dx in enumerate(dxs):
        if dx is not None:
            np.copyto(dx, dy if i == chosen[0] else 0)

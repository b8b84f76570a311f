"""ContinuationIndicator: the second bottom of an LSTM whose batch holds whole sequences."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("ContinuationIndicator", param="continuation_indicator_param")
class ContinuationIndicator(Layer):
    """y is 0 in the first time step, where sequences begin, and 1 in those after it.

    bottoms: x, optional: without time_step and batch_size, (T, N, ...) whose T and N are taken.
    tops: y (time_step, batch_size).
    time_step, batch_size: required unless there is a bottom.
    Gradient: none. Errors: ModelError where the size is not told.
    Source: CTC forks of Caffe (xmfbit's and others').
    """

    bottoms = ("x?",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the size."""
        self._size = (int(p.time_step), int(p.batch_size))
        if not all(self._size) and not shapes:
            raise self.fail("needs time_step and batch_size, or a bottom (T, N, ...).", ModelError)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(time_step, batch_size)."""
        if not shapes:
            return [self._size]
        if len(shapes[0]) < 2:
            raise self.fail(f"needs a bottom (T, N, ...), but it is {shapes[0]}.", ModelError)
        return [tuple(own or given for own, given in zip(self._size, shapes[0], strict=False))]


def forward(y: np.ndarray) -> None:
    """0, then 1."""
    y[...] = 1
    y[:1] = 0

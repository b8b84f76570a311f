"""Input: blobs that the user fills."""

from typing import Any

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Input", param="input_param", names=["data"])
class Input(Layer):
    """The inputs of a net: each top is filled from outside before a forward pass, and stays as it was otherwise.

    tops: one or more, any shape.
    shape: one for all tops, or one for each; without any the tops are scalars until they are reshaped.
    Errors: ModelError for another number of shapes.
    Source: BVLC Caffe's Input layer.
    """

    bottoms = ()
    tops = ("*ys",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Check that the shapes can be dealt out to the tops."""
        tops = len(self.message.top)
        self._shapes = [tuple(int(d) for d in s.dim) for s in p.shape]
        if len(self._shapes) not in (0, 1, tops):
            raise self.fail(
                f"has {len(self._shapes)} shapes for {tops} tops: give one for all, or one for each.", ModelError
            )

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """One shape a top."""
        tops = len(self.message.top)
        if len(self._shapes) == tops:
            return list(self._shapes)
        return (self._shapes or [()]) * tops

"""Filter: only the items of a batch that a selector marks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from caffelike.blob import Blob
from caffelike.errors import ModelError
from caffelike.layer import HostLayer
from caffelike.registry import register


@register("Filter")
class Filter(HostLayer):
    """Each top holds the items of its bottom whose selector is not 0, in order.

    bottoms: x (N, ...), perhaps more of that length, and last the selector (N,) or (N, 1, ...). tops: (M, ...), one for
        each blob but the selector; M is the number of items selected, known in forward only.
    Gradient: to the selected items, 0 to the others; none to the selector.
    Errors: ModelError for a wrong number of tops, ShapeError when lengths differ.
    Source: BVLC Caffe's Filter layer.
    """

    bottoms: ClassVar[tuple[str, ...]] = ("x", "*more")
    tops = ("*ys",)

    def __init__(self, message: Any, phase: int, seed: int = 0):
        """Name the bottoms, so that the graph sees which one is the selector."""
        super().__init__(message, phase, seed)
        blobs = len(message.bottom) - 1
        if blobs > 0:
            self.bottoms = (*(f"x{i}" for i in range(blobs)), "selector")  # type: ignore[misc]
            self.no_gradient = ("selector",)  # type: ignore[misc]
        self._chosen = np.zeros(0, np.intp)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check the counts, and shape the tops as if everything were selected: there are no data yet."""
        if len(bottom) < 2 or len(top) != len(bottom) - 1:
            raise self.fail(
                f"takes blobs and a selector and makes one top for each blob, but has {len(bottom)} bottoms and"
                f" {len(top)} tops.",
                ModelError,
            )
        self._set_up = False

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Find the selected items."""
        *blobs, selector = bottom
        if not selector.shape or any(n != 1 for n in selector.shape[1:]):
            raise self.fail(f"the selector must be (N,) or (N, 1, ...), but it is {selector.shape}.")
        items = selector.shape[0]
        for name, blob in zip(self.message.bottom, blobs, strict=False):
            if not blob.shape or blob.shape[0] != items:
                raise self.fail(f"the selector has {items} items, but '{name}' is {blob.shape}.")
        self._chosen = np.flatnonzero(selector.raw_data) if self._set_up else np.arange(items)
        self._set_up = True
        for blob, out in zip(blobs, top, strict=True):
            out.reshape(self._chosen.size, *blob.shape[1:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy the selected items."""
        for blob, out in zip(bottom, top, strict=False):
            out.raw_data[...] = blob.raw_data[self._chosen]

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Copy the gradients to where the items were."""
        if propagate_down[-1]:
            raise self.fail("has no gradient to the selector; set propagate_down: false on it.", ModelError)
        for blob, out, wanted in zip(bottom, top, propagate_down, strict=False):
            if wanted:
                blob.raw_diff[...] = 0
                blob.raw_diff[self._chosen] = out.raw_diff

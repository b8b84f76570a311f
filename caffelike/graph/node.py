"""A layer in its place in a net."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelike.binding import by_name
from caffelike.blob import Blob
from caffelike.layer import Layer

Step = tuple[Callable, tuple]  # a function and its arguments

COPY_OF_BOTTOM, COPY_OF_TOP = "(bottom)", "(top)"
"""Names among a node's arrays: copies for backward of what other layers overwrite."""


@dataclass
class Node:
    """A layer with its blobs and what the graph found out about it.

    bottom_ids, top_ids: indices into the net's list of blobs.
    loss_weights: one a top, 0 where it does not count.
    needs_backward: whether the backward pass visits it; bottom_backward, param_backward: for which
    bottoms and parameters it computes a gradient.
    arrays, gpu_arrays: saved arrays by name, in the computer's memory and in the GPU's.
    key: the random key, for layers that draw.
    place: "file:line" of the definition.
    """

    layer: Layer
    bottom: list[Blob]
    top: list[Blob]
    bottom_names: list[str]
    top_names: list[str]
    bottom_ids: list[int]
    top_ids: list[int]
    place: str
    loss_weights: list[float] = field(default_factory=list)
    needs_backward: bool = False
    bottom_backward: list[bool] = field(default_factory=list)
    param_backward: list[bool] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    gpu_arrays: dict[str, Any] = field(default_factory=dict)
    key: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    def values(self, data: Callable[[Blob], Any] = lambda blob: blob.raw_data) -> dict[str, Any]:
        """What `data` gives for its bottoms, tops and parameters, by the names that the layer declares."""
        layer = self.layer
        values = by_name(layer.bottoms, [data(b) for b in self.bottom])
        values |= by_name(layer.tops, [data(t) for t in self.top])
        return values | {name: data(blob) for name, blob in zip(layer.param_names, layer.blobs, strict=False)}

    def in_place(self, top: int) -> bool:
        """Whether top number `top` is the same blob as the bottom of that number."""
        return top < len(self.bottom) and self.bottom[top] is self.top[top]

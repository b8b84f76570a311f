"""Arrays of any length through a net, batch by batch: what is behind pycaffe's forward_all and forward_backward_all."""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError, ShapeError

Arrays = Mapping[str, np.ndarray]


def batches(arrays: Arrays, size: int) -> Iterator[dict[str, np.ndarray]]:
    """`arrays`, equally long, in pieces of `size`; the last one is filled up with zeros."""
    total = _length(arrays)
    for start in range(0, total, size):
        yield {name: _filled(np.asarray(array)[start : start + size], size) for name, array in arrays.items()}


def _length(arrays: Arrays) -> int:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"Arrays for one pass must be equally long; these are {lengths}.")
    return next(iter(lengths.values()), 0)


def _filled(part: np.ndarray, size: int) -> np.ndarray:
    if len(part) == size:
        return part
    return np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])


class Collected:
    """Outputs of several batches by blob name."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, outputs: Arrays) -> None:
        """Keep copies of one batch's outputs."""
        for name, array in outputs.items():
            self._parts.setdefault(name, []).append(np.array(np.atleast_1d(array)))

    def joined(self, size: int, total: int) -> dict[str, np.ndarray]:
        """All of each output, one after the other; what the zeros at the end gave (batches of `size`) is cut off."""
        found = {}
        for name, parts in self._parts.items():
            whole = np.concatenate(parts)
            found[name] = whole[:total] if len(whole) == len(parts) * size else whole
        return found


def forward_all(forward: Callable[..., Arrays], size: int, inputs: Arrays) -> dict[str, np.ndarray]:
    """The outputs of `forward` for all of `inputs`."""
    if not inputs or not _length(inputs):
        raise CaffelikeError("forward_all takes an array for each of the net's inputs, with at least one item.")
    collected = Collected()
    for batch in batches(inputs, size):
        collected.add(forward(**batch))
    return collected.joined(size, _length(inputs))


def forward_backward_all(
    forward: Callable[..., Arrays], backward: Callable[..., Arrays], size: int, inputs: Arrays, diffs: Arrays
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The outputs of `forward` and the gradients of `backward` for all of `inputs` and top `diffs`."""
    total = max(_length(inputs), _length(diffs))
    if not total:
        raise CaffelikeError("forward_backward_all takes arrays for the net's inputs, for its outputs' diffs, or both.")
    outputs, gradients = Collected(), Collected()
    nothing: dict[str, Any] = {}
    for batch, top in zip_longest(batches(inputs, size), batches(diffs, size), fillvalue=nothing):
        outputs.add(forward(**batch))
        gradients.add(backward(**top))
    return outputs.joined(size, total), gradients.joined(size, total)

"""The outputs of a net, number by number, in Caffe's lines."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from caffelike.errors import SolverError
from caffelike.log import number


class Outputs:
    """The output blobs of a net and the sums of their numbers over batches."""

    def __init__(self, net: Any):
        weights = net.blob_loss_weights
        self._blobs = [(n, b, weights[n]) for n, b in zip(net.outputs, net.output_blobs, strict=True)]
        self._total: np.ndarray | None = None
        self._batches = 0

    def values(self) -> np.ndarray:
        """All numbers of the last pass in one array."""
        return np.concatenate([blob.raw_data.reshape(-1) for _, blob, _ in self._blobs] or [np.empty(0, np.float32)])

    def add(self, part: "Outputs | None" = None, weight: int = 1) -> np.ndarray:
        """Take the last pass into the mean; returns its values.

        part: take that of a net with the same outputs instead. weight: count it so many times.
        """
        values = (part or self).values()
        if self._total is None:
            self._total = np.zeros(values.size)
        if self._total.size != values.size:
            names = ", ".join(name for name, _, _ in self._blobs)
            raise SolverError(
                f"The outputs {names} held {self._total.size} numbers in the first batch and {values.size} in batch"
                f" {self._batches}: they have no mean."
            )
        self._total += weight * values.astype(np.float64)
        self._batches += weight
        return values

    def mean(self) -> np.ndarray:
        """Mean of all numbers over the batches added."""
        return np.zeros(0) if self._total is None else self._total / self._batches

    def named(self, values: np.ndarray) -> Iterator[tuple[str, float, float]]:
        """(blob name, loss weight, value) for each number."""
        names = ((name, weight) for name, blob, weight in self._blobs for _ in range(blob.count))
        return ((name, weight, value) for (name, weight), value in zip(names, values, strict=False))

    def lines(self, values: np.ndarray) -> Iterator[str]:
        """`#0: accuracy = 0.9` and `#1: loss = 0.3 (* 1 = 0.3 loss)` for each number."""
        for i, (name, weight, value) in enumerate(self.named(values)):
            yield f"#{i}: {name} = {number(value)}{weighted(weight, value)}"

    def by_name(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """`values` cut into the blobs' shapes."""
        ends = np.cumsum([0] + [blob.count for _, blob, _ in self._blobs])
        return {
            name: values[a:b].reshape(blob.shape)
            for (name, blob, _), a, b in zip(self._blobs, ends, ends[1:], strict=False)
            if b <= values.size
        }


def weighted(weight: float, value: float) -> str:
    """What Caffe writes behind an output that is a loss."""
    return f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""

"""What layers share that drop values at random."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._elementwise import Elementwise


class Dropping(Elementwise):
    """Base of types that drop values, with the option `train`; `mask` is 1 where a value was kept."""

    def ratio(self, p: Any) -> float:
        """The probability of dropping a value. Raises ModelError."""
        ratio = float(p.dropout_ratio)
        if not 0 <= ratio < 1:
            raise self.fail(
                f"dropout_ratio is {ratio:g}, the probability of dropping a value; it must be at least 0 and less"
                " than 1.",
                ModelError,
            )
        return ratio

    def drop(self, train: bool) -> None:
        """Say whether values are dropped at all: only then there are random numbers, and a mask."""
        self.options["train"] = train
        self.random = train  # type: ignore[misc]
        self.backward_reads = ("mask",) if train else ()  # type: ignore[misc]
        if not train:
            self.options["mask"] = None

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The bottom's shape."""
        if self.options["train"]:
            self.keep("mask", shapes[0], np.uint8)
        return [shapes[0]]

"""Permute by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """SSD's order."""
    x = np.random.default_rng(0).standard_normal((2, 6, 3, 5)).astype(np.float32)
    order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    yield opencv("ssd", f'type: "Permute" bottom: "x" top: "y" {order}', {"x": x})

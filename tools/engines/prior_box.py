"""PriorBox by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """SSD300's first map in small, and with several sizes, a step and clipping."""
    inputs = {"map": np.zeros((1, 2, 4, 6), np.float32), "image": np.zeros((1, 3, 30, 50), np.float32)}
    for name, options in (
        ("ratios", "min_size: 6 max_size: 11 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: false variance: 0.1"),
        ("clipped", "min_size: 20 aspect_ratio: 2 flip: false clip: true variance: 0.1 variance: 0.1 variance: 0.2"
         " variance: 0.2 step: 8 offset: 0.5"),
    ):  # fmt: skip
        layer = f'type: "PriorBox" bottom: "map" bottom: "image" top: "boxes" prior_box_param {{ {options} }}'
        yield opencv(name, layer, inputs)

"""Correlation by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """FlowNet's kind of window, and one with patches and steps."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1, 4, 8, 9)).astype(np.float32)
    for name, options in (
        ("flownet", "pad: 4 kernel_size: 1 max_displacement: 4 stride_1: 1 stride_2: 2"),
        ("patches", "pad: 3 kernel_size: 3 max_displacement: 2 stride_1: 2 stride_2: 1"),
    ):
        layer = f'type: "Correlation" bottom: "a" bottom: "b" top: "y" correlation_param {{ {options} }}'
        yield opencv(name, layer, {"a": a, "b": b})

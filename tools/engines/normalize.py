"""Normalize by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """SSD's, position by position with a scale a channel, and across an image with one for all."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 4, 3, 5)).astype(np.float32)
    for name, options, scale in (
        ("positions", "across_spatial: false channel_shared: false", rng.uniform(1, 20, 4)),
        ("image", "across_spatial: true channel_shared: true", np.array([20.0])),
    ):
        layer = f'type: "Normalize" bottom: "x" top: "y" norm_param {{ {options} }}'
        yield opencv(name, layer, {"x": x}, [scale.astype(np.float32)])

"""MaskResize by torch.nn.functional.interpolate."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Larger, smaller, and both."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    for height, width in ((8, 10), (3, 2), (5, 3)):
        layer = (
            'type: "MaskResize" bottom: "x" top: "y"'
            f" mask_resize_param {{ output_height: {height} output_width: {width} }}"
        )
        yield pytorch(
            f"pytorch {height}x{width}", layer, {"x": normal(2, 3, 4, 5)},
            lambda x, size=(height, width): {"y": functional.interpolate(x, size, mode="bilinear")},
        )  # fmt: skip

"""Flip by torch.flip."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Both axes, and rows alone."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    for name, options, axes in (
        ("width", "", (3,)),
        ("both", "flip_height: true", (2, 3)),
        ("height", "flip_width: false flip_height: true", (2,)),
    ):
        layer = f'type: "Flip" bottom: "x" top: "y" flip_param {{ {options} }}'
        yield pytorch(
            f"pytorch {name}", layer, {"x": normal(2, 3, 4, 5)}, lambda x, axes=axes: {"y": torch.flip(x, axes)}
        )

"""CropCenter by torch.nn.functional.pad with negative widths."""

from collections.abc import Iterator

import numpy as np
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Other numbers for rows and columns."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    layer = 'type: "CropCenter" bottom: "x" top: "y" crop_center_param { crop_size: [0, 0, 1, 2] }'
    yield pytorch("pytorch", layer, {"x": normal(2, 3, 6, 9)}, lambda x: {"y": functional.pad(x, (-2, -2, -1, -1))})

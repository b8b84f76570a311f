"""ShuffleChannel by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """Three groups of four channels."""
    x = np.random.default_rng(0).standard_normal((2, 12, 3, 5)).astype(np.float32)
    layer = 'type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param { group: 3 }'
    yield opencv("groups", layer, {"x": x})

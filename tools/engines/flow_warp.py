"""FlowWarp by OpenCV."""

from collections.abc import Iterator

import numpy as np

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """Flows of a few pixels, some of them out of the image."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 3, 6, 7)).astype(np.float32)
    flow = (3 * rng.standard_normal((2, 2, 6, 7))).astype(np.float32)
    layer = 'type: "FlowWarp" bottom: "image" bottom: "flow" top: "y" flow_warp_param { fill_value: ZERO }'
    yield opencv("bilinear", layer, {"image": image, "flow": flow})

"""InnerDistance by torch.cdist."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Squares, and absolute differences."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    for kind in ("L2", "L1"):

        def distance(weight, bias, x, kind=kind):
            return {"y": (torch.cdist(x, weight) ** 2 if kind == "L2" else torch.cdist(x, weight, p=1)) + bias}

        layer = (
            'type: "InnerDistance" bottom: "x" top: "y" inner_distance_param { num_output: 4'
            f' distance_type: "{kind}" bias_term: true }}'
        )
        yield pytorch(f"pytorch {kind}", layer, {"x": normal(3, 5)}, distance, params=[normal(4, 5), normal(4)])

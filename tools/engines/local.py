"""Local by torch.nn.functional.unfold and a product for each place."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """With pad and stride."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def local(weight, bias, x):
        columns = functional.unfold(x, 3, padding=1, stride=2)
        y = torch.einsum("okp,nkp->nop", weight[:, 0], columns) + bias[0, 0]
        return {"y": y.reshape(len(x), -1, 3, 4)}

    layer = (
        'type: "Local" bottom: "x" top: "y" local_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1'
        ' weight_filler { type: "gaussian" } }'
    )
    params = [normal(4, 1, 18, 12), normal(1, 1, 4, 12)]
    yield pytorch("pytorch", layer, {"x": normal(2, 2, 5, 7)}, local, params=params)

"""Interp by PyTorch's interpolation with aligned corners."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """Enlarged, reduced, and one pixel spread."""
    rng = np.random.default_rng(0)
    for shape, size in [((2, 3, 4, 5), (9, 7)), ((1, 2, 9, 13), (5, 4)), ((1, 2, 1, 1), (3, 4))]:
        x = torch.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
        y = torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=True)
        dy = torch.tensor(rng.standard_normal(y.shape).astype(np.float32))
        y.backward(dy)
        options = f"interp_param {{ height: {size[0]} width: {size[1]} }}"
        yield Case(
            f"pytorch {shape[2]}x{shape[3]}", f"PyTorch {torch.__version__}",
            f'type: "Interp" bottom: "x" top: "y" {options}',
            {"x": x.detach().numpy()}, {"y": y.detach().numpy()},
            top_diffs={"y": dy.numpy()}, bottom_diffs={"x": x.grad.numpy()},
        )  # fmt: skip

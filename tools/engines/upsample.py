"""Upsample by PyTorch's max_unpool2d and nearest interpolation."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from engines import Case


def cases() -> Iterator[Case]:
    """With the mask of a pooling layer, and without one."""
    rng = np.random.default_rng(0)
    engine = f"PyTorch {torch.__version__}"
    image = torch.tensor(rng.standard_normal((2, 3, 6, 8)).astype(np.float32))
    x, mask = functional.max_pool2d(image, 2, return_indices=True)
    x = x.clone().requires_grad_()
    y = functional.max_unpool2d(x, mask, 2)
    dy = torch.tensor(rng.standard_normal(y.shape).astype(np.float32))
    y.backward(dy)
    yield Case(
        "pytorch mask", engine,
        'type: "Upsample" bottom: "x" bottom: "mask" top: "y" propagate_down: true propagate_down: false'
        " upsample_param { scale: 2 }",
        {"x": x.detach().numpy(), "mask": mask.numpy().astype(np.float32)}, {"y": y.detach().numpy()},
        top_diffs={"y": dy.numpy()}, bottom_diffs={"x": x.grad.numpy()},
    )  # fmt: skip
    x = torch.tensor(rng.standard_normal((2, 3, 4, 5)).astype(np.float32), requires_grad=True)
    y = functional.interpolate(x, scale_factor=3, mode="nearest")
    dy = torch.tensor(rng.standard_normal(y.shape).astype(np.float32))
    y.backward(dy)
    yield Case(
        "pytorch nearest", engine, 'type: "Upsample" bottom: "x" top: "y" upsample_param { scale: 3 }',
        {"x": x.detach().numpy()}, {"y": y.detach().numpy()},
        top_diffs={"y": dy.numpy()}, bottom_diffs={"x": x.grad.numpy()},
    )  # fmt: skip

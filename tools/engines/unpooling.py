"""Unpooling by PyTorch's max_unpool2d and transposed convolutions."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from engines import Case


def cases() -> Iterator[Case]:
    """MAX behind a pooling layer; TILE and AVE, which are convolutions transposed with constant weights."""
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
        'type: "Unpooling" bottom: "x" bottom: "mask" top: "y" propagate_down: true propagate_down: false'
        " unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 8 }",
        {"x": x.detach().numpy(), "mask": mask.numpy().astype(np.float32)}, {"y": y.detach().numpy()},
        top_diffs={"y": dy.numpy()}, bottom_diffs={"x": x.grad.numpy()},
    )  # fmt: skip
    for method, factor in (("TILE", 1.0), ("AVE", 1 / 9)):
        x = torch.tensor(rng.standard_normal((2, 3, 4, 5)).astype(np.float32), requires_grad=True)
        y = functional.conv_transpose2d(x, torch.full((3, 1, 3, 3), factor), stride=2, groups=3)
        dy = torch.tensor(rng.standard_normal(y.shape).astype(np.float32))
        y.backward(dy)
        yield Case(
            f"pytorch {method}", engine,
            f'type: "Unpooling" bottom: "x" top: "y" unpooling_param {{ unpool: {method} kernel_size: 3 stride: 2'
            " unpool_h: 9 unpool_w: 11 }",
            {"x": x.detach().numpy()}, {"y": y.detach().numpy()},
            top_diffs={"y": dy.numpy()}, bottom_diffs={"x": x.grad.numpy()},
        )  # fmt: skip

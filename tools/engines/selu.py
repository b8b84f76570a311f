"""SELU by PyTorch."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """Both passes."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 2, 3, 5, 4)).astype(np.float32) * 2
    t = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.selu(t)
    y.backward(torch.tensor(dy))
    layer = 'type: "SELU" bottom: "x" top: "y"'
    yield Case(
        "pytorch", f"PyTorch {torch.__version__}", layer, {"x": x}, {"y": y.detach().numpy()}, [], {"y": dy},
        {"x": t.grad.numpy()},
    )  # fmt: skip

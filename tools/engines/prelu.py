"""PReLU by PyTorch's and OpenCV's own."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, opencv


def cases() -> Iterator[Case]:
    """A slope a channel, forward (OpenCV) and backward (PyTorch)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    slopes = rng.uniform(-0.5, 0.5, 3).astype(np.float32)
    dy = rng.standard_normal(x.shape).astype(np.float32)
    layer = 'type: "PReLU" bottom: "x" top: "y"'
    yield opencv("opencv", layer, {"x": x}, [slopes])
    tx, ts = torch.tensor(x, requires_grad=True), torch.tensor(slopes, requires_grad=True)
    y = torch.nn.functional.prelu(tx, ts)
    y.backward(torch.tensor(dy))
    yield Case(
        "pytorch", f"PyTorch {torch.__version__}", layer, {"x": x}, {"y": y.detach().numpy()}, [slopes],
        {"y": dy}, {"x": tx.grad.numpy()}, [ts.grad.numpy()],
    )  # fmt: skip

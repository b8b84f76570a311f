"""SmoothL1Loss by PyTorch's smooth_l1_loss, whose beta is 1 / sigma^2."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """sigma 1 and 3, with gradients; PyTorch's smooth_l1_loss adds up, the batch divides."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, 6, 8, 3)).astype(np.float32)
    for sigma in (1, 3):
        tx, tt = torch.tensor(x, requires_grad=True), torch.tensor(t, requires_grad=True)
        loss = torch.nn.functional.smooth_l1_loss(tx, tt, reduction="sum", beta=1 / sigma**2) / len(x)
        loss.backward(torch.tensor(2.0))
        yield Case(
            f"sigma_{sigma}",
            f"PyTorch {torch.__version__}",
            f'type: "SmoothL1Loss" bottom: "x" bottom: "t" top: "loss" smooth_l1_loss_param {{ sigma: {sigma} }}',
            {"x": x, "t": t},
            {"loss": loss.detach().numpy()},
            top_diffs={"loss": np.array(2, np.float32)},
            bottom_diffs={"x": tx.grad.numpy(), "t": tt.grad.numpy()},
        )

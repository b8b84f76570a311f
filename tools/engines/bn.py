"""BN by PyTorch's batch_norm."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """The batch's statistics, and running ones."""
    rng = np.random.default_rng(0)
    shape = (3, 4, 2, 5)
    blob = (1, 4, 1, 1)
    for name, training, phase in (("batch", True, "TRAIN"), ("running", False, "TEST")):
        x = torch.tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
        slope, bias = (torch.tensor(rng.uniform(0.5, 2, 4).astype(np.float32), requires_grad=True) for _ in range(2))
        mean, variance = (torch.tensor(rng.uniform(0.5, 2, 4).astype(np.float32)) for _ in range(2))
        params = [t.detach().numpy().reshape(blob).copy() for t in (slope, bias, mean, variance)]
        y = torch.nn.functional.batch_norm(x, mean, variance, slope, bias, training=training, eps=1e-3)
        dy = torch.tensor(rng.standard_normal(shape).astype(np.float32))
        y.backward(dy)
        yield Case(
            f"pytorch {name}", f"PyTorch {torch.__version__}",
            'type: "BN" bottom: "x" top: "y" bn_param { eps: 1e-3 slope_filler { value: 1 } }',
            {"x": x.detach().numpy()}, {"y": y.detach().numpy()}, params,
            {"y": dy.numpy()}, {"x": x.grad.numpy()},
            [slope.grad.numpy().reshape(blob), bias.grad.numpy().reshape(blob)], phase,
        )  # fmt: skip

"""CTCLoss by PyTorch."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """Both layouts, with gradients: 12 time steps, 4 items, 6 classes."""
    rng = np.random.default_rng(0)
    steps, items, classes = 12, 4, 6
    x = rng.standard_normal((steps, items, classes)).astype(np.float32) * 2
    counts = np.array([5, 3, 1, 4])
    times = np.array([12, 12, 12, 12])
    labels = rng.integers(1, classes, (items, 5))
    labels[1, :2] = 3  # a repetition
    rows = np.where(np.arange(5) < counts[:, None], labels, 0).astype(np.float32)
    layer = 'type: "CTCLoss" bottom: "x" bottom: "labels" top: "loss"'
    yield _case("rows", layer, x, {"labels": rows}, labels, counts, times, 0)
    times = np.array([12, 7, 4, 9])
    cont = ((np.arange(steps)[:, None] < times) & (np.arange(steps)[:, None] > 0)).astype(np.float32)
    columns = np.full((steps, items), -1, np.float32)
    columns[:5] = np.where(np.arange(5)[:, None] < counts, labels.T - 1, -1)
    layer = 'type: "CTCLoss" bottom: "x" bottom: "cont" bottom: "labels" top: "loss"'
    yield _case("columns", layer, x, {"cont": cont, "labels": columns}, labels - 1, counts, times, classes - 1)


def _case(name, layer, x, others, labels, counts, times, blank) -> Case:
    t = torch.tensor(x, requires_grad=True)
    tensors = [torch.tensor(a) for a in (labels, times, counts)]
    losses = torch.nn.functional.ctc_loss(t.log_softmax(2), *tensors, blank=blank, reduction="none")
    losses.mean().backward()
    return Case(
        name, f"PyTorch {torch.__version__}", layer, {"x": x, **others}, {"loss": losses.mean().detach().numpy()}, [],
        {"loss": np.float32(1)}, {"x": t.grad.numpy()},
    )  # fmt: skip

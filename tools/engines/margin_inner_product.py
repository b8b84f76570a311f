"""MarginInnerProduct by PyTorch, from the formula of the paper; gradients only where the fork has the exact ones."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case


def cases() -> Iterator[Case]:
    """No margin, with the gradient to x, and the four-fold margin, forward."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((6, 5)).astype(np.float32), rng.standard_normal((4, 5)).astype(np.float32)
    label, dy = np.array([0, 1, 2, 3, 1, 0], np.float32), rng.standard_normal((6, 4)).astype(np.float32)
    t = torch.tensor(x, requires_grad=True)
    rows = torch.nn.functional.normalize(torch.tensor(weight), dim=1)
    plain = t @ rows.T
    plain.backward(torch.tensor(dy))
    layer = (
        'type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" margin_inner_product_param { num_output: 4 '
    )
    engine = f"PyTorch {torch.__version__}"
    inputs = {"x": x, "label": label}
    yield Case(
        "single", engine, layer + "}", inputs, {"y": plain.detach().numpy().copy()}, [weight], {"y": dy},
        {"x": t.grad.numpy()},
    )  # fmt: skip
    with torch.no_grad():
        length, right = t.norm(dim=1), torch.tensor(label).long()
        cosine = plain[range(6), right] / length
        angle = torch.acos(cosine)
        k = torch.floor(angle * 4 / torch.pi)
        psi = (1 - 2 * (k % 2)) * torch.cos(4 * angle) - 2 * k
        plain[range(6), right] = length * (psi + 2 * cosine) / 3
    options = "type: QUADRUPLE base: 0 lambda_min: 2 }"
    yield Case("quadruple", engine, layer + options, inputs, {"y": plain.detach().numpy()}, [weight])

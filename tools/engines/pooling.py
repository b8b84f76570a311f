"""Pooling by PyTorch: of volumes, and without the pad."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case

TORCH = f"PyTorch {torch.__version__}"
F = torch.nn.functional


def cases() -> Iterator[Case]:
    """MAX and AVE, with gradients; sizes are those that both engines agree on."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 7, 6)).astype(np.float32)
    box = "kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 2"
    yield _case(
        "volume_max",
        f'type: "Pooling3D" bottom: "x" top: "y" pooling3d_param {{ {box} }}',
        x,
        lambda t: F.max_pool3d(t, (2, 3, 3), 2, ceil_mode=True),
    )
    yield _case(
        "volume_ave",
        'type: "Pooling" bottom: "x" top: "y" pooling_param { pool: AVE kernel_size_3d: [2, 3, 2] stride_3d: [2, 2, 2]'
        " pad_3d: [1, 1, 1] ceil_mode: false }",
        x,
        lambda t: F.avg_pool3d(t, (2, 3, 2), 2, 1),
    )
    yield _case(
        "ave_without_pad",
        'type: "Pooling" bottom: "x" top: "y" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1'
        " avg_include_pad: false }",
        x[:, :, 0],
        lambda t: F.avg_pool2d(t, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    )
    yield _case(
        "max_floor",
        'type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }',
        x[:, :, 1],
        lambda t: F.max_pool2d(t, 3, 2),
    )


def _case(name: str, layer: str, x: np.ndarray, function) -> Case:
    t = torch.tensor(np.ascontiguousarray(x), requires_grad=True)
    y = function(t)
    dy = np.random.default_rng(len(name)).standard_normal(y.shape).astype(np.float32)
    y.backward(torch.tensor(dy))
    return Case(name, TORCH, layer, {"x": x}, {"y": y.detach().numpy()}, [], {"y": dy}, {"x": t.grad.numpy()})

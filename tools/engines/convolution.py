"""Convolution by PyTorch: of volumes, and of each channel by itself."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case

TORCH = f"PyTorch {torch.__version__}"


def cases() -> Iterator[Case]:
    """A volume with pads and strides, and a depthwise window, both with all gradients."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 6, 5)).astype(np.float32)
    options = "num_output: 4 kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 1 pad: 1 temporal_pad: 1"
    layer = f'type: "Convolution3D" bottom: "x" top: "y" convolution3d_param {{ {options} }}'
    yield with_gradients(
        "volume", layer, x, (4, 3, 2, 3, 3), torch.nn.functional.conv3d, stride=(1, 2, 2), padding=(1, 1, 1)
    )
    x = rng.standard_normal((2, 6, 7, 8)).astype(np.float32)
    layer = (
        'type: "ConvolutionDepthwise" bottom: "x" top: "y"'
        " convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 }"
    )
    yield with_gradients("depthwise", layer, x, (6, 1, 3, 3), torch.nn.functional.conv2d, stride=2, padding=1, groups=6)


def with_gradients(name: str, layer: str, x: np.ndarray, shape: tuple, function, outputs: int = 0, **options) -> Case:
    """The case of a function of torch that takes x, weight (of `shape`) and bias; outputs: where not shape[0]."""
    rng = np.random.default_rng(len(name))
    weight = rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(outputs or shape[0]).astype(np.float32)
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, weight, bias))
    y = function(tx, tw, tb, **options)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(torch.tensor(dy))
    grads = [t.grad.numpy() for t in (tx, tw, tb)]
    return Case(
        name, TORCH, layer, {"x": x}, {"y": y.detach().numpy()}, [weight, bias], {"y": dy}, {"x": grads[0]}, grads[1:]
    )

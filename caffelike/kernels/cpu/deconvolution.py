"""Deconvolution (transposed convolution): convolution's passes in exchanged roles; see layers/deconvolution.py."""

import numpy as np

from caffelike.kernels.cpu import convolution

Ints = tuple[int, ...]


def forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
) -> None:
    """y (N, O, *out) from x (N, C, *size) and weight (C, O/group, *kernel), plus bias (O,)."""
    x, y = convolution.with_batch(len(kernel), x, y)
    convolution.map_gradient(x, weight, bias, y, kernel, stride, pad, dilation, group)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    group: int,
    beta: float,
) -> None:
    """Gradients; None where not wanted. dx is overwritten, dweight and dbias become theirs + beta * themselves."""
    dy, x, dx = convolution.with_batch(len(kernel), dy, x, dx)
    if dbias is not None:
        convolution.bias_gradient(dy, dbias, beta)
    if dweight is not None:
        convolution.weight_gradient(dy, x, dweight, kernel, stride, pad, dilation, group, beta)
    if dx is not None:
        convolution.forward(dy, weight, None, dx, kernel, stride, pad, dilation, group)

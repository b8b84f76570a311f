"""Convolution; see layers/convolution.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.correlate import Sizes, gather, scatter, totals, weights, windows


def forward(
    x: Any, weight: Any, bias: Any, y: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, group: int
) -> None:
    """y = the windows of x times the weights, + bias."""
    gather(x, weight, bias, y, windows(x, y, weight, kernel, stride, pad, dilation, group))


def forward_relu(
    x: Any,
    weight: Any,
    bias: Any,
    y: Any,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    negative_slope: float,
) -> None:
    """forward, and ReLU behind it in the same pass."""
    gather(x, weight, bias, y, windows(x, y, weight, kernel, stride, pad, dilation, group), negative_slope)


def backward(
    dy: Any,
    x: Any,
    weight: Any,
    dx: Any,
    dweight: Any,
    dbias: Any,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    beta: float,
) -> None:
    """Gradients; None where not wanted."""
    over = windows(x, dy, weight, kernel, stride, pad, dilation, group)
    if dbias is not None:
        totals(dy, dbias, beta, over.places)
    if dweight is not None:
        weights(dy, x, dweight, beta, over)
    if dx is not None:
        scatter(dy, weight, None, dx, over)

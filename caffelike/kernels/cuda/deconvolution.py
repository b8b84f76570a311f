"""Deconvolution; see layers/deconvolution.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.correlate import Sizes, gather, scatter, totals, weights, windows


def forward(
    x: Any, weight: Any, bias: Any, y: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, group: int
) -> None:
    """y = the numbers of x times the weights, added to the pixels of their windows, + bias."""
    scatter(x, weight, bias, y, windows(y, x, weight, kernel, stride, pad, dilation, group))


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
    over = windows(dy, x, weight, kernel, stride, pad, dilation, group)
    if dbias is not None:
        totals(dy, dbias, beta, over.pixels)
    if dweight is not None:
        weights(x, dy, dweight, beta, over)
    if dx is not None:
        gather(dy, weight, None, dx, over)

"""Options of Caffe's layers as plain numbers, for the engines that build the net layer by layer."""

from typing import Any, NamedTuple


class Window(NamedTuple):
    """kernel, stride, pad, dilation: (height, width) each."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)


def _pair(values: Any, h: int, w: int, default: int) -> tuple[int, int]:
    if h or w:
        return h, w
    several = list(values) if hasattr(values, "__len__") else [values] if values else []
    return (several[0], several[-1]) if several else (default, default)


def convolution(p: Any) -> Window:
    """The window of a ConvolutionParameter."""
    return Window(
        _pair(p.kernel_size, p.kernel_h, p.kernel_w, 1),
        _pair(p.stride, p.stride_h, p.stride_w, 1),
        _pair(p.pad, p.pad_h, p.pad_w, 0),
        _pair(p.dilation, 0, 0, 1),
    )


def pooling(p: Any) -> Window:
    """The window of a PoolingParameter."""
    return Window(
        _pair(p.kernel_size, p.kernel_h, p.kernel_w, 1),
        _pair(p.stride, p.stride_h, p.stride_w, 1),
        _pair(p.pad, p.pad_h, p.pad_w, 0),
    )

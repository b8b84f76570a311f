"""Im2col: the pixels under every window as channels."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.layers._spatial import (
    Sizes,
    canonical_axis,
    check_fits,
    col2im,
    convolution_window,
    convolved_size,
    im2col,
    window_reach,
)
from caffelike.registry import register


@register("Im2col", param="convolution_param")
class Im2col(Layer):
    """Unfold images: y holds, channel by channel, what Convolution multiplies by its weights.

    bottoms: x (N, C, *size). tops: y (N, C * product(kernel), *out), out as Convolution's.
    Channel c * product(kernel) + tap of place p is x[n, c, p * stride - pad + tap * dilation], 0 in the padding.
    kernel_size, stride, pad, dilation, axis: as Convolution; its other options mean nothing here.
    Gradient: to x; pixels in several windows get the sum. Errors: ModelError and ShapeError as Convolution.
    Source: BVLC Caffe's Im2col layer.
    """

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the window."""
        self._axis = canonical_axis(self, p.axis, len(shapes[0]))
        self.options = convolution_window(self, p, len(shapes[0]) - self._axis - 1)._asdict()

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C * product(kernel), *out)."""
        (shape,) = shapes
        kernel = self.options["kernel"]
        if len(shape) != self._axis + 1 + len(kernel):
            raise self.fail(f"was set up for {self._axis + 1 + len(kernel)} axes, but the bottom is {shape}.")
        size = shape[self._axis + 1 :]
        out = convolved_size(size, **self.options)
        check_fits(self, size, out, f"A kernel of {'x'.join(map(str, kernel))}")
        return [(*shape[: self._axis], shape[self._axis] * int(np.prod(kernel)), *out)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """The window."""
        return window_reach(self.options)


def _columns(y: np.ndarray, kernel: Sizes) -> np.ndarray:
    """(N, C * product(kernel), *out) as (N, C, *kernel, *out)."""
    *_, channels = y.shape[: y.ndim - len(kernel)]
    return y.reshape(-1, channels // int(np.prod(kernel)), *kernel, *y.shape[y.ndim - len(kernel) :])


def forward(x: np.ndarray, y: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> None:
    """Unfold image by image."""
    images = x.reshape(-1, *x.shape[x.ndim - len(kernel) - 1 :])
    for image, columns in zip(images, _columns(y, kernel), strict=True):
        columns[...] = im2col(image, kernel, stride, pad, dilation)


def backward(dy: np.ndarray, dx: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> None:
    """Fold the gradient back."""
    images = dx.reshape(-1, *dx.shape[dx.ndim - len(kernel) - 1 :])
    for image, columns in zip(images, _columns(dy, kernel), strict=True):
        col2im(columns, image, kernel, stride, pad, dilation)

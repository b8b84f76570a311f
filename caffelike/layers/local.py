"""Local: convolution with weights of its own at every place."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape
from caffelike.layers._spatial import Sizes, check_fits, col2im, convolved_size, im2col, window_reach
from caffelike.registry import register


@register("Local", param="local_param")
class Local(Layer):
    """y[n, o, place] = bias[o, place] + sum over c and taps of weight[o, (c, tap), place] * x[n, c, place's pixel].

    bottoms: x (N, C, H, W), of a fixed size. tops: y (N, num_output, out_h, out_w) as for Convolution.
    params: weight (num_output, 1, C kernel_size^2, out_h out_w); bias (1, 1, num_output, out_h out_w) unless bias_term
        is false.
    num_output, kernel_size: required. stride 1, pad 0. weight_filler, bias_filler: constant 0.
    Gradient: to x, weight and bias. Errors: ModelError for options, ShapeError when the size changes.
    Source: cuda-convnet's locally connected layer; happynear's caffe-windows.
    """

    params = ("weight", "bias?")
    backward_reads = ("x", "weight")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare weight and bias for this size."""
        if len(shapes[0]) != 4:
            raise self.fail(f"needs a bottom of 4 axes (N, C, H, W), but it is {shapes[0]}.")
        if not (p.num_output and p.kernel_size and p.stride):
            raise self.fail("needs num_output, kernel_size and stride of at least 1.", ModelError)
        self._shape, self._outputs = shapes[0][1:], int(p.num_output)
        kernel, stride, pad = ((int(n),) * 2 for n in (p.kernel_size, p.stride, p.pad))
        self._out = convolved_size(self._shape[1:], kernel, stride, pad, (1, 1))
        check_fits(self, self._shape[1:], self._out, f"A kernel of {kernel[0]}x{kernel[1]}")
        self.options = {"kernel": kernel, "stride": stride, "pad": pad}
        places = prod(self._out)
        self.add_param("weight", (self._outputs, 1, self._shape[0] * prod(kernel), places), p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (1, 1, self._outputs, places), p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, num_output, out_h, out_w)."""
        if shapes[0][1:] != self._shape:
            raise self.fail(f"the weights are for images of {self._shape}, but the bottom is {shapes[0]}.")
        return [(shapes[0][0], self._outputs, *self._out)]

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Every weight is used once for each image."""
        return bottom[0][0] * self.blobs[0].count

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """The window."""
        return window_reach(self.options)


def forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
) -> None:
    """Unfold each image; each place's column meets that place's weights."""
    filters = weight[:, 0]
    for image, out in zip(x, y, strict=True):
        columns = im2col(image, kernel, stride, pad, (1, 1)).reshape(filters.shape[1:])
        out[...] = np.einsum("okp,kp->op", filters, columns).reshape(out.shape)
        if bias is not None:
            out += bias.reshape(out.shape)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    beta: float,
) -> None:
    """Place by place as for a matrix product."""
    filters, out = weight[:, 0], dy.shape[2:]
    grads = dy.reshape(*dy.shape[:2], prod(out))
    if dbias is not None:
        dbias[...] = (dbias if beta else 0) + grads.sum(axis=0).reshape(dbias.shape)
    if dweight is not None:
        if not beta:
            dweight[...] = 0
        for image, grad in zip(x, grads, strict=True):
            columns = im2col(image, kernel, stride, pad, (1, 1)).reshape(filters.shape[1:])
            dweight[:, 0] += grad[:, None] * columns
    if dx is not None:
        for image, grad in zip(dx, grads, strict=True):
            columns = np.einsum("okp,op->kp", filters, grad)
            col2im(columns.reshape(-1, *kernel, *out), image, kernel, stride, pad, (1, 1))

"""Deconvolution: convolution's transpose, for learned upsampling."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any, ClassVar

import numpy as np

from caffelike.layer import Layer, Reach, Shape
from caffelike.layers._spatial import (
    Sizes,
    Window,
    canonical_axis,
    check_fits,
    check_group,
    check_images,
    col2im,
    convolution_window,
    im2col,
    volume_window,
)
from caffelike.registry import register


@register("Deconvolution", param="convolution_param")
class Deconvolution(Layer):
    """Every input pixel adds its value times the kernel to the top: what Convolution's gradient to x computes.

    bottoms: x (N, C, *size), any number of one shape. tops: as many, y (N, num_output, *out),
        out = stride (size - 1) + dilation (kernel - 1) + 1 - 2 pad.
    params: weight (C, num_output / group, *kernel); bias (num_output,) unless bias_term is false.
    Options, gradient and errors as Convolution.
    Source: BVLC Caffe's Deconvolution layer; Zeiler et al., "Deconvolutional Networks", CVPR 2010.
    """

    params = ("weight", "bias?")
    pairwise = True
    backward_reads = ("x", "weight")
    honours: ClassVar[tuple[str, ...]] = ("dilation_h", "dilation_w")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the window and declare weight and bias."""
        p = self.convolution(p)
        axis, window = self.window(p, shapes[0])
        channels = shapes[0][axis]
        self._axis, self._channels, self._outputs = axis, channels, int(p.num_output)
        group = check_group(self, channels, self._outputs, int(p.group))
        self.options = {**window._asdict(), "group": group}
        self.add_param("weight", (channels, self._outputs // group, *window.kernel), p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (self._outputs,), p.bias_filler)

    def convolution(self, p: Any) -> Any:
        """The message with the options."""
        return p

    def window(self, p: Any, shape: Shape) -> tuple[int, Window]:
        """The channel axis of `shape`, and the window on the axes behind it."""
        axis = canonical_axis(self, p.axis, len(shape))
        return axis, convolution_window(self, p, len(shape) - axis - 1)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, num_output, *out) for each bottom."""
        kernel, stride, pad, dilation = (self.options[k] for k in ("kernel", "stride", "pad", "dilation"))
        check_images(self, shapes, self._axis, self._channels, len(kernel))
        before, size = shapes[0][: self._axis], shapes[0][self._axis + 1 :]
        out = tuple(
            s * (n - 1) + d * (k - 1) + 1 - 2 * q
            for n, k, s, q, d in zip(size, kernel, stride, pad, dilation, strict=True)
        )
        check_fits(self, size, out, f"Pad {pad}")
        return [(*before, self._outputs, *out)] * len(shapes)

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Every weight is used once for each place of an input channel."""
        return sum(prod(shape) for shape in bottom) // self._channels * self.blobs[0].count

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """The pixels whose windows cover it: as many as the stride leaves."""
        kernel, stride, pad, dilation = (self.options[k] for k in ("kernel", "stride", "pad", "dilation"))
        covered = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        return Reach(
            tuple(-(-n // s) for n, s in zip(covered, stride, strict=True)),
            tuple(Fraction(1, s) for s in stride),
            tuple(-((n - 1 - q) // s) for n, q, s in zip(covered, pad, stride, strict=True)),
        )


@register("Deconvolution3D", param="convolution3d_param")
class Deconvolution3D(Deconvolution):
    """Deconvolution of volumes, as clips of a video: Deconvolution over depth (time), height and width.

    bottoms: x (N, C, D, H, W). tops: y (N, num_output, *out), out = stride (size - 1) + kernel - 2 pad.
    params: weight (C, num_output / group, kernel_depth, kernel_size, kernel_size); bias unless bias_term is false.
    Options: as Convolution3D's; fillers, gradient and errors as Convolution.
    Source: Tran et al., "Deep End2End Voxel2Voxel Prediction", CVPR workshops 2016; C3D 1.0.
    """

    messages = ("convolution_param",)
    honours = ("kernel_depth", "temporal_stride", "temporal_pad", "filter_group")

    def convolution(self, p: Any) -> Any:
        """The message that is there."""
        return p if self.message.HasField("convolution3d_param") else self.message.convolution_param

    def window(self, p: Any, shape: Shape) -> tuple[int, Window]:
        """Channels on axis 1, then depth, height and width."""
        if len(shape) != 5:
            raise self.fail(f"needs a bottom of 5 axes (N, C, D, H, W), but it is {shape}.")
        return 1, volume_window(self, p)


def forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
) -> None:
    """Multiply each image by the weights, group by group, and fold the products into the top."""
    first = x.ndim - len(kernel) - 1
    size = x.shape[first + 1 :]
    images = x.reshape(-1, group, weight.shape[0] // group, int(np.prod(size)))
    filters = weight.reshape(group, weight.shape[0] // group, -1)
    for image, out in zip(images, y.reshape(-1, *y.shape[first:]), strict=True):
        columns = filters.transpose(0, 2, 1) @ image
        col2im(columns.reshape(-1, *kernel, *size), out, kernel, stride, pad, dilation)
        if bias is not None:
            out += bias.reshape(-1, *[1] * len(kernel))


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
    dilation: Sizes,
    group: int,
    beta: float,
) -> None:
    """dx = dy convolved with the weights, dweight = x times the unfolded dy."""
    first = x.ndim - len(kernel) - 1
    grads = dy.reshape(-1, *dy.shape[first:])
    size = x.shape[first + 1 :]
    images = x.reshape(-1, group, weight.shape[0] // group, int(np.prod(size)))
    filters = weight.reshape(group, weight.shape[0] // group, -1)
    if dbias is not None:
        total = grads.sum(axis=(0, *range(2, grads.ndim)))
        dbias[...] = dbias + total if beta else total
    if dweight is None and dx is None:
        return
    sums = None if dweight is None else dweight.reshape(filters.shape)
    if sums is not None and not beta:
        sums[...] = 0
    down = None if dx is None else dx.reshape(images.shape)
    for n, (image, grad) in enumerate(zip(images, grads, strict=True)):
        columns = im2col(grad, kernel, stride, pad, dilation, size).reshape(group, filters.shape[2], -1)
        if sums is not None:
            sums += image @ columns.transpose(0, 2, 1)
        if down is not None:
            np.matmul(filters, columns, out=down[n])

"""Convolution over any number of spatial axes."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

from caffelike.layer import Layer, Reach, Sees, Shape
from caffelike.layers._spatial import (
    Sizes,
    Window,
    canonical_axis,
    check_fits,
    check_group,
    check_images,
    col2im,
    convolution_window,
    convolved_size,
    im2col,
    volume_window,
    window_reach,
)
from caffelike.registry import register


@register("Convolution", param="convolution_param", names=["DepthwiseConvolution"])
class Convolution(Layer):
    """y[n, o] = bias[o] + sum over c and taps of weight[o, c, tap] * x[n, c, place * stride - pad + tap * dilation].

    bottoms: x (N, C, *size), any number of one shape. tops: as many, y (N, num_output, *out),
        out = (size + 2 pad - dilation (kernel - 1) - 1) // stride + 1.
    params: weight (num_output, C / group, *kernel); bias (num_output,) unless bias_term is false.
    num_output: required. kernel_size: required; one number for all axes or one for each, or kernel_h and kernel_w.
    stride 1 (or stride_h and stride_w), pad 0 (or pad_h and pad_w), dilation 1 (or dilation_h and dilation_w):
        likewise. group 1: output channels of a group see that group's input channels only. axis 1: the channel axis;
        what stands before it is the batch.
    weight_filler, bias_filler: constant 0. engine, force_nd_im2col: change no number, ignored.
    Gradient: to x, weight and bias. Errors: ModelError for options, ShapeError for bottoms that do not fit.
    Source: BVLC Caffe's Convolution layer; DepthwiseConvolution, the same with a group for each channel: Howard et al.,
        2017, and yonghenglh6's layer; dilation_h, dilation_w: yjxiong's fork.
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
        group = check_group(self, channels, self._outputs, self.groups(p, channels))
        self.options = {**window._asdict(), "group": group}
        self.add_param("weight", (self._outputs, channels // group, *window.kernel), p.weight_filler)
        if p.bias_term:
            self.add_param("bias", (self._outputs,), p.bias_filler)

    def convolution(self, p: Any) -> Any:
        """The message with the options."""
        return p

    def window(self, p: Any, shape: Shape) -> tuple[int, Window]:
        """The channel axis of `shape`, and the window on the axes behind it."""
        axis = canonical_axis(self, p.axis, len(shape))
        return axis, convolution_window(self, p, len(shape) - axis - 1)

    def groups(self, p: Any, channels: int) -> int:
        """In how many groups the channels are."""
        return int(p.group)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, num_output, *out) for each bottom."""
        check_images(self, shapes, self._axis, self._channels, len(self.options["kernel"]))
        before, size = shapes[0][: self._axis], shapes[0][self._axis + 1 :]
        kernel, dilation = self.options["kernel"], self.options["dilation"]
        out = convolved_size(size, kernel, self.options["stride"], self.options["pad"], dilation)
        check_fits(self, size, out, f"A kernel of {'x'.join(map(str, kernel))} (dilation {dilation})")
        return [(*before, self._outputs, *out)] * len(shapes)

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Every weight is used once for each place of an output channel."""
        return sum(prod(shape) for shape in top) // self._outputs * self.blobs[0].count

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """The window."""
        return window_reach(self.options)


@register("ConvolutionDepthwise", param="convolution_param")
class ConvolutionDepthwise(Convolution):
    """Convolution of each channel by itself: as Convolution with as many groups as x has channels.

    bottoms: x (N, C, H, W). tops: y (N, num_output, out_h, out_w); num_output is C or a multiple of it.
    params: weight (num_output, 1, kernel_h, kernel_w); bias (num_output,) unless bias_term is false.
    Options, gradient, errors: as Convolution's; `group` is not read: it is C.
    Source: Howard et al., "MobileNets", 2017; farmingyard's ShuffleNet, BVLC pull request 5665.
    """

    def groups(self, p: Any, channels: int) -> int:
        """A group for each channel."""
        return channels


@register("Convolution3D", param="convolution3d_param")
class Convolution3D(Convolution):
    """Convolution of volumes, as clips of a video: Convolution over depth (time), height and width.

    bottoms: x (N, C, D, H, W). tops: y (N, num_output, *out), out = (size + 2 pad - kernel) // stride + 1.
    params: weight (num_output, C / group, kernel_depth, kernel_size, kernel_size); bias unless bias_term is false.
    num_output, kernel_size, kernel_depth: required. stride 1, pad 0: of height and width; temporal_stride 1,
        temporal_pad 0: of depth. group 1. filter_group: in how many parts C3D computes the outputs; changes no number.
        C3D's first version writes all this into convolution_param.
    Gradient, errors: as Convolution's.
    Source: Tran et al., ICCV 2015; C3D 1.0 and 1.1.
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


def _places(y: np.ndarray, kernel: Sizes) -> int:
    """The number of pixels of a top."""
    return int(np.prod(y.shape[y.ndim - len(kernel) :]))


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
    """Unfold each image and multiply by the weights, group by group."""
    images = x.reshape(-1, *x.shape[x.ndim - len(kernel) - 1 :])
    outputs = y.reshape(-1, group, weight.shape[0] // group, _places(y, kernel))
    filters = weight.reshape(group, weight.shape[0] // group, -1)
    for image, out in zip(images, outputs, strict=True):
        columns = im2col(image, kernel, stride, pad, dilation)
        np.matmul(filters, columns.reshape(group, filters.shape[2], -1), out=out)
        if bias is not None:
            out += bias.reshape(group, -1, 1)


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
    """dweight = dy times the unfolded image, dx = the folded product of weights and dy."""
    images = x.reshape(-1, *x.shape[x.ndim - len(kernel) - 1 :])
    grads = dy.reshape(-1, group, weight.shape[0] // group, _places(dy, kernel))
    filters = weight.reshape(group, weight.shape[0] // group, -1)
    if dbias is not None:
        total = grads.sum(axis=(0, 3)).reshape(-1)
        dbias[...] = dbias + total if beta else total
    if dweight is not None:
        sums = dweight.reshape(filters.shape)
        if not beta:
            sums[...] = 0
        for image, grad in zip(images, grads, strict=True):
            columns = im2col(image, kernel, stride, pad, dilation).reshape(group, filters.shape[2], -1)
            sums += grad @ columns.transpose(0, 2, 1)
    if dx is not None:
        out = dy.shape[dy.ndim - len(kernel) :]
        for image, grad in zip(dx.reshape(images.shape), grads, strict=True):
            columns = filters.transpose(0, 2, 1) @ grad
            col2im(columns.reshape(-1, *kernel, *out), image, kernel, stride, pad, dilation)


def fold(
    weight: np.ndarray, bias: np.ndarray | None, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(weight, bias) with which forward gives scale * y + shift, channel by channel."""
    folded = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return folded, shift if bias is None else bias * scale + shift

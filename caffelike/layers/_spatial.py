"""What layers with sliding windows share: reading their options, output sizes, and unfolding images.

A window is described by tuples of ints with one entry for each spatial axis: kernel, stride, pad
(zeros on both sides) and dilation (the step between two taps of the kernel).
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """Kernel, stride, pad and dilation, one number each for every spatial axis."""

    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes


def window_reach(options: dict[str, Any]) -> Reach:
    """What a top's pixel is computed from, for options kernel, stride, pad and perhaps dilation."""
    kernel: Sizes = options["kernel"]
    dilation = options.get("dilation", (1,) * len(kernel))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    return Reach(extent, options["stride"], tuple(-q for q in options["pad"]))


def canonical_axis(layer: Layer, axis: int, ndim: int, field: str = "axis") -> int:
    """`axis` counted from the front: -1 is the last of `ndim` axes. Raises ModelError when there is no such axis."""
    if not -ndim <= axis < ndim:
        raise layer.fail(f"{field} is {axis}, but the bottom has only {ndim} axes.", ModelError)
    return axis % ndim


def convolution_window(layer: Layer, p: Any, ndim: int) -> Window:
    """Read a ConvolutionParameter's window for `ndim` spatial axes.

    kernel_size, stride (1), pad (0) and dilation (1) hold one number for all axes or one for each;
    kernel_h/kernel_w, stride_h/.., pad_h/.. and dilation_h/.. replace them where there are two axes.
    """
    kernel = _per_axis(layer, p, "kernel_size", ("kernel_h", "kernel_w"), ndim, None)
    stride = _per_axis(layer, p, "stride", ("stride_h", "stride_w"), ndim, 1)
    pad = _per_axis(layer, p, "pad", ("pad_h", "pad_w"), ndim, 0)
    dilation = _per_axis(layer, p, "dilation", ("dilation_h", "dilation_w"), ndim, 1)
    for field, values in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if 0 in values:
            raise layer.fail(f"{field} is 0; it must be at least 1.", ModelError)
    return Window(kernel, stride, pad, dilation)


def volume_window(layer: Layer, p: Any) -> Window:
    """C3D's window over (depth, height, width), from its Convolution3DParameter or its ConvolutionParameter.

    kernel_size, stride (1) and pad (0) are those of height and width, kernel_depth, temporal_stride and temporal_pad
    those of depth.
    """

    def first(field: str, default: int) -> int:
        value = getattr(p, field)
        return int(value) if isinstance(value, int) else int(value[0]) if value else default

    size, step, pad = first("kernel_size", 0), first("stride", 1), first("pad", 0)
    kernel = (int(p.kernel_depth), size, size)
    stride = (int(p.temporal_stride), step, step)
    if 0 in kernel or 0 in stride:
        raise layer.fail(
            f"needs kernel_depth and kernel_size (they are {kernel}), and strides of 1 or more.", ModelError
        )
    return Window(kernel, stride, (int(p.temporal_pad), pad, pad), (1, 1, 1))


def _per_axis(layer: Layer, p: Any, field: str, pair: Sequence[str], ndim: int, default: int | None) -> Sizes:
    listed = [int(v) for v in getattr(p, field)]
    given = [name for name in pair if p.HasField(name)]
    if given:
        if ndim != 2:
            raise layer.fail(f"{given[0]} needs two spatial axes, but there are {ndim}; repeat {field}.", ModelError)
        if listed:
            raise layer.fail(f"{field} and {given[0]} are both given; remove one of them.", ModelError)
        if field != "pad" and len(given) == 1:
            raise layer.fail(f"{given[0]} is given without {(set(pair) - set(given)).pop()}; give both.", ModelError)
        return tuple(int(getattr(p, name)) for name in pair)
    if not listed and default is None and ndim:
        raise layer.fail(f"has no {field}; add it.", ModelError)
    if len(listed) not in (0, 1, ndim):
        raise layer.fail(
            f"{field} is given {len(listed)} times for {ndim} spatial axes; give it once, or once for each.", ModelError
        )
    values = listed or [default or 0]
    return tuple(values) if len(values) == ndim else (values[0],) * ndim


def pooling_window(layer: Layer, p: Any, size: Sizes) -> Window:
    """Read a PoolingParameter's window over images of `size` (height, width); dilation is 1.

    kernel_size or kernel_h and kernel_w, or global_pooling for the whole image; stride 1, pad 0 by default.
    """
    kernel: Sizes
    sides = (p.HasField("kernel_h"), p.HasField("kernel_w"))
    if p.global_pooling:
        if p.HasField("kernel_size") or any(sides):
            raise layer.fail("global_pooling takes no kernel size: the window is the whole image.", ModelError)
        kernel = size
    elif p.HasField("kernel_size"):
        if any(sides):
            raise layer.fail("kernel_size and kernel_h or kernel_w are both given; remove one of them.", ModelError)
        kernel = (int(p.kernel_size),) * 2
    elif all(sides):
        kernel = (int(p.kernel_h), int(p.kernel_w))
    else:
        raise layer.fail("needs kernel_size, or both kernel_h and kernel_w, or global_pooling: true.", ModelError)
    stride = _one_or_pair(layer, p, "stride")
    pad = _one_or_pair(layer, p, "pad")
    if p.global_pooling and (stride != (1, 1) or pad != (0, 0)):
        raise layer.fail("global_pooling needs stride 1 and pad 0; remove them.", ModelError)
    if 0 in kernel or 0 in stride:
        raise layer.fail(f"kernel {kernel} and stride {stride} must be at least 1.", ModelError)
    check_pooling_pad(layer, kernel, pad)
    return Window(kernel, stride, pad, (1, 1))


def _one_or_pair(layer: Layer, p: Any, field: str) -> Sizes:
    if not (p.HasField(f"{field}_h") or p.HasField(f"{field}_w")):
        return (int(getattr(p, field)),) * 2
    if p.HasField(field):
        raise layer.fail(f"{field} and {field}_h or {field}_w are both given; remove one of them.", ModelError)
    if field == "stride" and not (p.HasField("stride_h") and p.HasField("stride_w")):
        raise layer.fail("stride_h and stride_w are given together or not at all.", ModelError)
    return int(getattr(p, f"{field}_h")), int(getattr(p, f"{field}_w"))


def check_pooling_pad(layer: Layer, kernel: Sizes, pad: Sizes) -> None:
    """Raise ModelError when a pad is as large as its kernel: a window would see nothing but padding."""
    if any(q >= k for k, q in zip(kernel, pad, strict=True)):
        raise layer.fail(f"pad {pad} must be smaller than the kernel {kernel}.", ModelError)


def convolved_size(size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> Sizes:
    """How many places a kernel has along each axis: (size + 2 pad - extent) // stride + 1."""
    return tuple(
        (n + 2 * q - (d * (k - 1) + 1)) // s + 1
        for n, k, s, q, d in zip(size, kernel, stride, pad, dilation, strict=True)
    )


def place_type(kernel: Sizes) -> np.dtype:
    """The smallest integers that can tell a place in a window, and that there is none: uint8 up to 255 places."""
    return np.min_scalar_type(int(np.prod(kernel)))


def pooled_size(size: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, ceil: bool = True) -> Sizes:
    """The pooled size along each axis, rounded up unless `ceil` is False.

    With any pad, a last window that would start beyond the image and its left pad is dropped.
    """
    sizes = []
    for n, k, s, q in zip(size, kernel, stride, pad, strict=True):
        span = n + 2 * q - k
        out = (-(-span // s) if ceil else span // s) + 1
        if any(pad) and (out - 1) * s >= n + q:
            out -= 1
        sizes.append(out)
    return tuple(sizes)


def check_fits(layer: Layer, size: Sizes, out: Sizes, what: str) -> None:
    """Raise ShapeError when an output size is below 1."""
    if any(n < 1 for n in out):
        raise layer.fail(
            f"{what} does not fit into the bottom of size {'x'.join(map(str, size))}: the top would be"
            f" {'x'.join(map(str, out))}. Use a smaller kernel, more pad or a larger input."
        )


def check_group(layer: Layer, channels: int, outputs: int, group: int) -> int:
    """`group`, if it divides input and output channels; else ModelError."""
    if outputs < 1:
        raise layer.fail("num_output must be at least 1.", ModelError)
    if group < 1 or channels % group or outputs % group:
        raise layer.fail(
            f"group {group} must divide both the bottom's {channels} channels and num_output {outputs}.", ModelError
        )
    return group


def check_images(layer: Layer, shapes: tuple[Shape, ...], axis: int, channels: int, spatial: int) -> None:
    """Raise ShapeError unless all bottoms are one shape with the channels and axes the weights were made for."""
    for shape in shapes:
        if len(shape) != axis + 1 + spatial or shape[axis] != channels:
            raise layer.fail(
                f"the weights are for {channels} channels on axis {axis} of {axis + 1 + spatial} axes,"
                f" but a bottom is {shape}."
            )
        if shape != shapes[0]:
            raise layer.fail(f"all bottoms must have one shape, but they are {shapes[0]} and {shape}.")


def taps(kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> list[tuple[Any, tuple[Any, ...]]]:
    """For each position inside the kernel: the position, and the slices of a padded image it meets in all windows."""
    return [
        (
            at,
            tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s) for i, s, d, o in zip(at, stride, dilation, out, strict=True)
            ),
        )
        for at in product(*map(range, kernel))
    ]


def im2col(
    x: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, out: Sizes | None = None
) -> np.ndarray:
    """Unfold an image (C, *size) into (C, *kernel, *out): every window's pixels; padding is 0."""
    out = out or convolved_size(x.shape[1:], kernel, stride, pad, dilation)
    padded = np.pad(x, [(0, 0), *((q, q) for q in pad)])
    columns = np.empty((x.shape[0], *kernel, *out), x.dtype)
    for at, place in taps(kernel, stride, dilation, out):
        columns[(slice(None), *at)] = padded[(slice(None), *place)]
    return columns


def col2im(columns: np.ndarray, x: np.ndarray, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes) -> None:
    """Fold (C, *kernel, *out) back into the image `x` (C, *size), adding what overlaps: im2col's transpose."""
    out = columns.shape[1 + len(kernel) :]
    size = x.shape[1:]
    padded = np.zeros((x.shape[0], *(n + 2 * q for n, q in zip(size, pad, strict=True))), x.dtype)
    for at, place in taps(kernel, stride, dilation, out):
        padded[(slice(None), *place)] += columns[(slice(None), *at)]
    inside: list[Any] = [slice(q, q + n) for n, q in zip(size, pad, strict=True)]
    x[...] = padded[(slice(None), *inside)]

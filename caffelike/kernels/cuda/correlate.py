"""Windows over images with any number of axes: the three products that Convolution and Deconvolution are made of.

An `image` (N, C, *size) is seen through windows from the places of a `map` (N, O, *out): at a place, position t of the
kernel meets pixel place * stride - pad + t * dilation. The weights are (O, C / group, *kernel).
"""

from typing import Any, NamedTuple

import numpy as np

from caffelike.kernels.cuda.door import device
from caffelike.kernels.cuda.product import product
from caffelike.kernels.cuda.relu import rectified
from caffelike.kernels.cuda.sums import summed

Sizes = tuple[int, ...]
_NARROW = 8  # channels of the map in a group below which their weights' gradients are sums, not a product


class Windows(NamedTuple):
    """What all three products are told: numbers, and one number for each axis."""

    images: int
    channels: int  # of the image, in one group
    maps: int  # of the map, in one group
    groups: int
    pixels: int
    places: int
    taps: int
    size: Sizes
    out: Sizes
    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes


def windows(
    image: Any, map_: Any, weight: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, groups: int
) -> Windows:
    """The windows of an image's and a map's shape; what lies before their channels counts as N."""
    axes = axes_of(image, map_, kernel, stride, pad, dilation)
    channels, maps = weight.shape[1], weight.shape[0] // groups
    counts = [int(np.prod(sizes, dtype=np.int64)) for sizes in axes[:3]]
    whole = channels * groups * counts[0]
    return Windows(image.size // max(1, whole), channels, maps, groups, *counts, *axes)


def axes_of(
    image: Any, map_: Any, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes
) -> tuple[Sizes, Sizes, Sizes, Sizes, Sizes, Sizes]:
    """(size, out, kernel, stride, pad, dilation), in Python's integers; size and out are the shapes' last axes."""
    axes = len(kernel)
    size, out = tuple(image.shape)[image.ndim - axes :], tuple(map_.shape)[map_.ndim - axes :]
    found = [tuple(int(n) for n in sizes) for sizes in (size, out, kernel, stride, pad, dilation)]
    return found[0], found[1], found[2], found[3], found[4], found[5]


def gather(image: Any, weight: Any, bias: Any, map_: Any, over: Windows, slope: float | None = None) -> None:
    """map = what the windows see, times the weights, + bias: Convolution; with a slope, and ReLU behind it."""
    to = map_.reshape(-1)
    arrays = (image.reshape(-1), weight.reshape(-1), to, to if bias is None else bias.reshape(-1))
    _gather(over.groups, over.maps, over.images * over.places, over.channels * over.taps, *arrays,
            bias is not None, slope is not None, float(slope or 0), tuple(over))  # fmt: skip


def scatter(map_: Any, weight: Any, bias: Any, image: Any, over: Windows) -> None:
    """image = each place's number, times the weights, added to the pixels of its window, + bias: the way back."""
    to = image.reshape(-1)
    arrays = (map_.reshape(-1), weight.reshape(-1), to, to if bias is None else bias.reshape(-1))
    _scatter(over.groups, over.channels, over.images * over.pixels, over.maps * over.taps, *arrays,
             bias is not None, tuple(over))  # fmt: skip


def weights(map_: Any, image: Any, dweight: Any, beta: float, over: Windows) -> None:
    """dweight = the map's numbers times what their windows see, summed over all places, + beta dweight."""
    v, x, to = map_.reshape(-1), image.reshape(-1), dweight.reshape(-1)
    terms = over.images * over.places
    if over.maps < _NARROW:
        _weight_sums(to.size, terms, to, beta, v, x, tuple(over))
    else:
        _weights(over.groups, over.maps, over.channels * over.taps, terms, v, x, to, bool(beta), tuple(over))


def totals(map_: Any, to: Any, beta: float, places: int) -> None:
    """to = the sum of each channel of (N, C, places) + beta to: the gradient of a bias."""
    _totals(to.size, map_.size // max(1, to.size), to.reshape(-1), beta, map_.reshape(-1), to.size, places)


@device
def seen(tap, place, axes):
    """The index of the pixel that position `tap` of the kernel meets at `place`; -1 beyond the image."""
    size, out, kernel, stride, pad, dilation = axes
    at, step = 0, 1
    for back in range(len(size)):
        a = len(size) - 1 - back
        pixel = place % out[a] * stride[a] - pad[a] + tap % kernel[a] * dilation[a]
        if pixel < 0 or pixel >= size[a]:
            return -1
        at += pixel * step
        step *= size[a]
        place //= out[a]
        tap //= kernel[a]
    return at


@device
def seeing(tap, pixel, axes):
    """The index of the place from which position `tap` of the kernel meets `pixel`; -1 where none does."""
    size, out, kernel, stride, pad, dilation = axes
    at, step = 0, 1
    for back in range(len(size)):
        a = len(size) - 1 - back
        start = pixel % size[a] + pad[a] - tap % kernel[a] * dilation[a]
        if start < 0 or start % stride[a] != 0 or start // stride[a] >= out[a]:
            return -1
        at += start // stride[a] * step
        step *= out[a]
        pixel //= size[a]
        tap //= kernel[a]
    return at


@device
def _pixel(x, g, c, n, place, tap, over):
    """What the window at a place of image n sees of channel c of group g; 0 beyond the image."""
    channels, groups, pixels = over[1], over[3], over[4]
    at = seen(tap, place, over[7:])
    return x[((n * groups + g) * channels + c) * pixels + at] if at >= 0 else np.float32(0)


def _filter(g, m, k, x, weight, to, bias, biased, cut, slope, over):
    channels, maps, taps = over[1], over[2], over[6]
    return weight[(g * maps + m) * channels * taps + k]


def _unfolded(g, k, n, x, weight, to, bias, biased, cut, slope, over):
    places, taps = over[5], over[6]
    return _pixel(x, g, k // taps, n // places, n % places, k % taps, over)


def _to_map(g, m, n, value, x, weight, to, bias, biased, cut, slope, over):
    maps, groups, places = over[2], over[3], over[5]
    o = g * maps + m
    if biased:
        value += bias[o]
    if cut:
        value = rectified(value, slope)
    to[(n // places * groups * maps + o) * places + n % places] = value


_gather = product(_filter, _unfolded, _to_map)


def _turned(g, m, k, v, weight, to, bias, biased, over):
    channels, maps, taps = over[1], over[2], over[6]
    return weight[((g * maps + k // taps) * channels + m) * taps + k % taps]


def _sent(g, k, n, v, weight, to, bias, biased, over):
    maps, groups, pixels, places, taps = over[2], over[3], over[4], over[5], over[6]
    at = seeing(k % taps, n % pixels, over[7:])
    return v[((n // pixels * groups + g) * maps + k // taps) * places + at] if at >= 0 else np.float32(0)


def _to_image(g, m, n, value, v, weight, to, bias, biased, over):
    channels, groups, pixels = over[1], over[3], over[4]
    c = g * channels + m
    if biased:
        value += bias[c]
    to[(n // pixels * groups * channels + c) * pixels + n % pixels] = value


_scatter = product(_turned, _sent, _to_image)


def _number(g, m, k, v, x, to, add, over):
    maps, groups, places = over[2], over[3], over[5]
    return v[((k // places * groups + g) * maps + m) * places + k % places]


def _unfolded_back(g, k, n, v, x, to, add, over):
    places, taps = over[5], over[6]
    return _pixel(x, g, n // taps, k // places, k % places, n % taps, over)


def _to_weights(g, m, n, value, v, x, to, add, over):
    channels, maps, taps = over[1], over[2], over[6]
    at = (g * maps + m) * channels * taps + n
    to[at] = value + to[at] if add else value


_weights = product(_number, _unfolded_back, _to_weights)


@summed
def _weight_sums(i, k, v, x, over):
    channels, maps, groups, places, taps = over[1], over[2], over[3], over[5], over[6]
    o, c, tap = i // (channels * taps), i // taps % channels, i % taps
    n, place = k // places, k % places
    return v[(n * groups * maps + o) * places + place] * _pixel(x, o // maps, c, n, place, tap, over)


@summed
def _totals(c, k, map_, channels, places):
    return map_[(k // places * channels + c) * places + k % places]

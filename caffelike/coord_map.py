"""Where a pixel of one top lies in another: pycaffe's coordinate maps, used to crop and align feature maps.

A map is (axis, scale, shift): position i of the input lies at scale * i + shift of the output, for every axis behind
`axis` (1, the channels, where images are meant); scale and shift are arrays with one element for all spatial axes, or
one for each. Layers that keep positions have the map (None, 1, 0).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.net_spec import layers as L

Map = tuple[int | None, Any, Any]

PASS_THROUGH_LAYERS = (
    *("AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power"),
    *("ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold"),
)
_UNEVEN = {"pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"}


class UndefinedMapException(CaffelikeError):
    """A layer that has no coordinate map."""


class AxisMismatchException(CaffelikeError):
    """Maps of different axes cannot follow each other."""


class CropError(CaffelikeError, AssertionError):
    """Tops that no Crop layer can align; an AssertionError, as pycaffe raises."""


def conv_params(fn: Any) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """(axis, stride, extent of the dilated kernel, pad) of a convolution, deconvolution, im2col or pooling function."""
    options = fn.params.get("convolution_param", fn.params)
    if _UNEVEN & (set(options) | set(fn.params)):
        raise CropError(f"{fn.type_name}: cropping takes kernel_size, stride and pad, not their _h and _w forms.")
    kernel = np.array(options["kernel_size"], ndmin=1)
    dilation = np.array(options.get("dilation", 1), ndmin=1)
    stride, pad = (np.array(options.get(name, default), ndmin=1) for name, default in (("stride", 1), ("pad", 0)))
    return options.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Any) -> tuple[int, np.ndarray]:
    """(axis, offset) of a Crop function."""
    options = fn.params.get("crop_param", fn.params)
    return options.get("axis", 2), np.array(options.get("offset", 0), ndmin=1)


def coord_map(fn: Any) -> Map:
    """The map of a net_spec function from its bottoms to its tops. Raises UndefinedMapException."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # the first axis that is cut, and a map names the one before
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    raise UndefinedMapException(f"A {fn.type_name} layer has no coordinate map.")


def compose(base_map: Map, next_map: Map) -> Map:
    """The map of `next_map` first and `base_map` on its result. Raises AxisMismatchException."""
    axis, scale, shift = base_map
    next_axis, next_scale, next_shift = next_map
    if axis is not None and next_axis is not None and axis != next_axis:
        raise AxisMismatchException(f"A map of what is behind axis {axis} cannot follow one behind axis {next_axis}.")
    return next_axis if axis is None else axis, scale * next_scale, scale * next_shift + shift


def inverse(coord_map: Map) -> Map:
    """The map from the output back to the input."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def _walk_back(top: Any) -> Iterator[tuple[Any, Map]]:
    """`top` and the tops it is made of, each with its map to `top`; layers without a map end a way."""
    maps: dict[Any, Map] = {top: (None, 1, 0)}
    waiting = [top]
    while waiting:
        at = waiting.pop()
        yield at, maps[at]
        bottoms = at.fn.inputs[:1] if at.fn.type_name == "Crop" else at.fn.inputs  # the second only gives a size
        if not bottoms:
            continue
        try:
            step = coord_map(at.fn)
        except UndefinedMapException:
            continue
        for bottom in bottoms:
            if bottom not in maps:
                waiting.append(bottom)
            maps[bottom] = compose(maps[at], step)


def coord_map_from_to(top_from: Any, top_to: Any) -> Map:
    """The map from positions in `top_from` to positions in `top_to`, through the top that both are made of.

    Raises CaffelikeError (a RuntimeError) when no such top is reached through layers that have maps.
    """
    known = dict(_walk_back(top_from))
    for top, found in _walk_back(top_to):
        if top in known:
            return compose(found, inverse(known[top]))
    raise CaffelikeError("Could not compute map between tops; are they connected by spatial layers?")


def crop(top_from: Any, top_to: Any) -> Any:
    """The top of a Crop layer that cuts `top_from` to the size of `top_to`, its axis and offset from the map.

    Raises CropError for different scales, and offsets that are negative or no whole numbers.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    if not np.all(scale == 1):
        raise CropError(f"scale mismatch on crop (a = {scale}): bring both tops to one scale first.")
    if not np.all(shift <= 0):
        raise CropError(f"cannot crop negative width (b = {shift}): pad the top that is cropped.")
    if not np.all(np.round(shift) == shift):
        raise CropError(f"cannot crop noninteger width (b = {shift}).")
    offset = [int(-value) for value in np.atleast_1d(shift)]
    return L.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})

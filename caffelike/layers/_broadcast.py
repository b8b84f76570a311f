"""What Scale, Bias and PReLU share: a small array that acts along some axes of a large one."""

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._spatial import canonical_axis


def covered(layer: Layer, axis: int, num_axes: int, shape: Shape) -> Shape:
    """The lengths of the `num_axes` axes of `shape` from `axis` on; -1 means all of them. Raises ModelError."""
    axis = canonical_axis(layer, axis, len(shape))
    if num_axes < -1:
        raise layer.fail(f"num_axes is {num_axes}; use -1 for all, or 0 and up.", ModelError)
    end = len(shape) if num_axes == -1 else axis + num_axes
    if end > len(shape):
        raise layer.fail(
            f"num_axes {num_axes} from axis {axis} on needs a bottom of {end} axes, but it is {shape}.", ModelError
        )
    return shape[axis:end]


def placed(layer: Layer, axis: int, small: Shape, shape: Shape, name: str) -> int:
    """The axis of `shape` that the first axis of `small` acts along; 0 for a scalar. Raises ShapeError."""
    axis = canonical_axis(layer, axis, len(shape)) if small else 0
    if shape[axis : axis + len(small)] != small:
        raise layer.fail(f"the {name} of shape {small} does not fit the axes from {axis} on of the bottom {shape}.")
    return axis


def spread(small: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """`small` with axes of length 1 appended, so that it broadcasts along `axis` of an array of `ndim` axes."""
    return small.reshape(small.shape + (1,) * (ndim - axis - small.ndim))


def gather(large: np.ndarray, axis: int, small_ndim: int) -> np.ndarray:
    """The sum of `large` over all axes but `axis` .. `axis` + `small_ndim` - 1: the gradient of what was spread."""
    others = (*range(axis), *range(axis + small_ndim, large.ndim))
    return large.sum(axis=others, dtype=np.float64)


def accumulate(gradient: np.ndarray, value: np.ndarray, beta: int) -> None:
    """gradient = value + beta gradient, for beta 0 (whatever it held) or 1."""
    if beta:
        gradient += value
    else:
        gradient[...] = value

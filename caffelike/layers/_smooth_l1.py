"""The robust distance of Fast R-CNN's losses: quadratic near zero, linear further out."""

import numpy as np

from caffelike.layer import Layer, Shape


def smooth_l1(gap: np.ndarray, square: float) -> np.ndarray:
    """square gap^2 / 2 where |gap| < 1 / square, else |gap| - 1 / (2 square)."""
    size = np.abs(gap)
    return np.where(size < 1 / square, 0.5 * square * gap * gap, size - 0.5 / square)


def smooth_l1_slope(gap: np.ndarray, square: float) -> np.ndarray:
    """The derivative of smooth_l1."""
    return np.where(np.abs(gap) < 1 / square, square * gap, np.sign(gap))


def check_same(layer: Layer, *shapes: Shape) -> None:
    """Raise ShapeError unless all shapes are equal but for axes of length 1 at the end."""
    for name, shape in zip(layer.message.bottom, shapes, strict=True):
        if _stripped(shape) != _stripped(shapes[0]):
            first = layer.message.bottom[0]
            raise layer.fail(f"the bottoms must be of one shape, but '{first}' is {shapes[0]} and '{name}' {shape}.")


def _stripped(shape: Shape) -> Shape:
    """Without the axes of length 1 at its end; axis 0 stays."""
    shape = tuple(shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape

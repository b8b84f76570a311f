"""Covariance: how much channels go together."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("Covariance")
class Covariance(Layer):
    """y_ij = sum over the pixels of x_i x_j / (pixels C), for each pair of channels; means are not subtracted.

    bottoms: x (N, C, ...). tops: y (N, C, C, 1).
    Gradient: the derivative, (dy_ij + dy_ji) x_j / (pixels C) summed over j. Errors: ShapeError for a bottom of fewer
    than 2 axes. Source: happynear's fork of Caffe, whose gradient counts each pair once and thus holds only where dy
    is the gradient of one of the two.
    """

    backward_reads = ("x",)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, C, C, 1)."""
        shape = shapes[0]
        if len(shape) < 2:
            raise self.fail(f"needs a bottom of 2 axes or more (N, C, ...), but it is {shape}.")
        return [(shape[0], shape[1], shape[1], 1)]


def forward(x: np.ndarray, y: np.ndarray) -> None:
    """A product of matrices for each item."""
    rows, scale = _rows(x)
    y[..., 0] = rows @ rows.transpose(0, 2, 1) * scale


def backward(dy: np.ndarray, x: np.ndarray, dx: np.ndarray) -> None:
    """Both of the pair's factors."""
    rows, scale = _rows(x)
    both = dy[..., 0] + dy[..., 0].transpose(0, 2, 1)
    dx[...] = (both @ rows * scale).reshape(x.shape)


def _rows(x: np.ndarray) -> tuple[np.ndarray, float]:
    """x as (N, C, pixels), and 1 / (pixels C)."""
    pixels = int(np.prod(x.shape[2:], dtype=np.int64))
    return x.reshape(x.shape[0], x.shape[1], pixels), 1.0 / max(1, pixels * x.shape[1])

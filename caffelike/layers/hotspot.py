"""Hotspot: a map for each point, bright where the point is."""

import math
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register

_LEAST = 1e-4


@register("Hotspot", param="hotspot_param")
class Hotspot(Layer):
    """y[n, k, row, column] = exp(-d^2 / (2 s^2)) / (2 pi s^2), 0 where that is at most 1e-4; d: pixels from point k.

    bottoms: points (N, 2 K): x, y of each; map, whose height and width y gets where output_height and output_width are
        not given. tops: y (N, K, output_height, output_width).
    gaussian_std s, 1. data_height, data_width: required; the size in which points are counted, from its middle
        (mean_removed true), or from its corner (false).
    Gradient: none, as in the fork. Errors: ModelError for options, ShapeError for an odd number of coordinates.
    Source: happynear's caffe-windows.
    """

    bottoms = ("points", "map?")
    tops = ("y",)
    no_gradient = ("points", "map")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        if not (p.data_height and p.data_width) or p.gaussian_std <= 0:
            raise self.fail("needs data_height and data_width, and a gaussian_std greater than 0.", ModelError)
        self._size = (int(p.output_height), int(p.output_width))
        if 0 in self._size and (len(shapes) < 2 or len(shapes[1]) < 4):
            raise self.fail("needs output_height and output_width, or a second bottom of that size.", ModelError)
        middle = 0.5 if p.mean_removed else 0.0
        self.options = {"std": float(p.gaussian_std), "scales": (1 / p.data_width, 1 / p.data_height), "middle": middle}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, K, height, width)."""
        count = int(np.prod(shapes[0][1:], dtype=np.int64))
        if count % 2:
            raise self.fail(f"needs an x and a y for each point, but there are {count} numbers.")
        height, width = shapes[1][-2:] if 0 in self._size else self._size
        return [(shapes[0][0], count // 2, height, width)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """Of the map its size alone."""
        return Sees.NOTHING if index else Sees.ALL


def forward(points: np.ndarray, y: np.ndarray, std: float, scales: tuple[float, float], middle: float) -> None:
    """The product of two Gaussians, one of the rows and one of the columns."""
    items, count, height, width = y.shape
    places = points.reshape(items, count, 2)
    bells = [
        np.exp(-0.5 * ((((places[..., k] * scales[k] + middle) * n)[..., None] - np.arange(n)) / std) ** 2)
        for k, n in enumerate((width, height))
    ]
    np.multiply(bells[1][..., None] / (2 * math.pi * std * std), bells[0][:, :, None, :], out=y)
    y[y <= _LEAST] = 0

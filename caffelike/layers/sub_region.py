"""SubRegion: pieces of a map around given points."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register


@register("SubRegion", param="sub_region_param")
class SubRegion(Layer):
    """Cuts region_height x region_width pixels out of x around each point; what lies outside of x is 0.

    bottoms: x (N, C, H, W); points (N, 2 K): x, y of each, counted from the middle of data_width x data_height; truth,
        as points, needed for the second top. tops: y (N, K C, region_height, region_width), for as_dim 0 (K N, C, ...),
        all items' first points first; away (N, 2 K): how far the truth lies from the middle of what was cut out, and
        middles (N, 2 K): where that is, both counted from the corner of data_width x data_height.
    A piece begins at floor((x / data_width + 0.5) W - region_width // 2), rows likewise. as_dim 1.
    Gradient: to x, of y. None to the others, as in the fork. Errors: ModelError for options, ShapeError.
    Source: happynear's caffe-windows, whose CPU code writes the gradient to a wrong place.
    """

    bottoms = ("x", "points", "truth?")
    tops = ("y", "away?", "middles?")
    no_gradient = ("points", "truth")
    backward_reads = ("points",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the sizes."""
        region, data = (int(p.region_height), int(p.region_width)), (int(p.data_height), int(p.data_width))
        if 0 in region or 0 in data:
            raise self.fail("needs region_height, region_width, data_height and data_width.", ModelError)
        if len(self.message.top) == 2 or (len(self.message.top) == 3 and len(shapes) < 3):
            raise self.fail("has one top, or three, and then the truth as a third bottom.", ModelError)
        self.options = {"region": region, "data_size": data, "as_items": p.as_dim == 0}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The pieces, and two numbers for each point."""
        x, points, *truth = shapes
        count = int(np.prod(points[1:], dtype=np.int64))
        if len(x) != 4 or points[0] != x[0] or count % 2 or (truth and np.prod(truth[0]) != np.prod(points)):
            raise self.fail(
                f"needs a map (N, C, H, W), and points (N, 2 K) and truths of one shape, but they are"
                f" {', '.join(map(str, shapes))}."
            )
        k = count // 2
        first = (k * x[0], x[1]) if self.options["as_items"] else (x[0], k * x[1])
        return [(*first, *self.options["region"]), points, points][: len(self.message.top)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """It depends on the points."""
        return Sees.UNKNOWN


def forward(
    x: np.ndarray,
    points: np.ndarray,
    truth: np.ndarray | None,
    y: np.ndarray,
    away: np.ndarray | None,
    middles: np.ndarray | None,
    region: tuple[int, int],
    data_size: tuple[int, int],
    as_items: bool,
) -> None:
    """Copy what is inside."""
    y[...] = 0
    begins = _begins(points, x.shape, region, data_size)
    for there, here in _pieces(begins, x, y, region, as_items):
        there[...] = here
    if away is None or middles is None or truth is None:
        return
    for k in (0, 1):  # x, y
        length, data, size = x.shape[3 - k], data_size[1 - k], region[1 - k]
        middle = (begins[..., 1 - k] + size / 2 + 0.5) / length * data
        pairs = (*begins.shape[:2], 2)
        middles.reshape(pairs)[..., k] = middle
        away.reshape(pairs)[..., k] = truth.reshape(pairs)[..., k] + data // 2 - middle


def backward(
    dy: np.ndarray,
    points: np.ndarray,
    dx: np.ndarray,
    region: tuple[int, int],
    data_size: tuple[int, int],
    as_items: bool,
) -> None:
    """Add each piece up where it came from."""
    dx[...] = 0
    for there, here in _pieces(_begins(points, dx.shape, region, data_size), dx, dy, region, as_items):
        here += there


def _begins(points: np.ndarray, shape: Shape, region: tuple[int, int], data_size: tuple[int, int]) -> np.ndarray:
    """(N, K, 2): the first row and column of each piece."""
    places = points.reshape(shape[0], int(np.prod(points.shape[1:])) // 2, 2)[..., ::-1]
    centres = (places / np.array(data_size, places.dtype) + 0.5) * np.array(shape[2:], places.dtype)
    return np.floor(centres - np.array(region) // 2).astype(np.int64)


def _pieces(begins: np.ndarray, x: np.ndarray, y: np.ndarray, region: tuple[int, int], as_items: bool) -> Any:
    """For each point whose piece meets x: (that part of y, that part of x)."""
    items, channels = x.shape[:2]
    for n, k in np.ndindex(*begins.shape[:2]):
        piece = y[items * k + n] if as_items else y[n, channels * k : channels * (k + 1)]
        low = np.maximum(begins[n, k], 0)
        high = np.minimum(begins[n, k] + region, x.shape[2:])
        if (high > low).all():
            inner = low - begins[n, k]
            size = high - low
            there = piece[:, inner[0] : inner[0] + size[0], inner[1] : inner[1] + size[1]]
            yield there, x[n, :, low[0] : high[0], low[1] : high[1]]

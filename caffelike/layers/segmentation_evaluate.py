"""SegmentationEvaluate: intersection over union of maps of probabilities and of labels."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("SegmentationEvaluate", param="segmentation_evaluate_param")
class SegmentationEvaluate(Layer):
    """For each channel: pixels that both maps have over pixels that any of them has; a map has what exceeds threshold.

    bottoms: x (N, C, H, W), probabilities; label (N, C, h, w). tops: y (1, 1, 1, C), of all items together.
    threshold 0.5. num_classes: must be there, and says nothing.
    Where no pixel is in both, y is 0. Where h, w are not H, W, x is first taken as bytes, floor(255 x), and resized as
    OpenCV's INTER_AREA does, and must exceed floor(255 threshold); y is then -1 where label has no pixel and x has none
    of these.
    Gradient: none. Errors: ModelError without num_classes, ShapeError for other shapes.
    Source: eric612's MobileNet-YOLO, which looks at the first item only.
    """

    bottoms = ("x", "label")
    no_gradient = ("x", "label")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the threshold."""
        if not p.HasField("num_classes"):
            raise self.fail("needs segmentation_evaluate_param { num_classes: ... }.", ModelError)
        self.options = {"threshold": float(p.threshold)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A number for each channel."""
        x, label = shapes
        if len(x) != 4 or len(label) != 4 or x[:2] != label[:2] or 0 in x[2:]:
            raise self.fail(
                f"needs two bottoms (N, C, height, width) with equal N and C, but they are {x} and {label}."
            )
        return [(1, 1, 1, x[1])]


def forward(x: np.ndarray, label: np.ndarray, y: np.ndarray, threshold: float) -> None:
    """Count pixels."""
    same = x.shape == label.shape
    found = x > threshold
    if not same:
        # bytes wrap around, as a conversion in C does
        found = _resized(np.floor(x * 255).astype(np.int64) % 256, label.shape[2:]) > int(threshold * 255)
    true = label > threshold
    both = (found & true).sum(axis=(0, 2, 3))
    any_ = (found | true).sum(axis=(0, 2, 3))
    share = both / np.maximum(any_, 1)
    if not same:
        share[true.sum(axis=(0, 2, 3)) == 0] = -1
    y[...] = share


def _resized(pixels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Bytes (..., H, W) in another size, by the area that a pixel covers, as OpenCV rounds it."""
    height, width = pixels.shape[2:]
    if height >= size[0] and width >= size[1]:
        means = _area(height, size[0]) @ pixels @ _area(width, size[1]).T
        halved = (height, width) == (2 * size[0], 2 * size[1])
        return np.floor(means + 0.5) if halved else np.rint(means)
    (row, below, lower), (column, right, righter) = _between(height, size[0]), _between(width, size[1])
    lines = (pixels[..., column] * (2048 - righter) + pixels[..., right] * righter) >> 4
    upper = lines[..., row, :] * (2048 - lower)[:, None] >> 16
    return upper + (lines[..., below, :] * lower[:, None] >> 16) + 2 >> 2


def _area(size: int, wanted: int) -> np.ndarray:
    """Weights (wanted, size) of the pixels that a larger one covers."""
    edges = np.arange(wanted + 1) * (size / wanted)
    pixel = np.arange(size)
    low, high = edges[:-1, None], edges[1:, None]
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1) / (high - low)


def _between(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel the one it begins in, the next, and that one's weight in 2048ths: what of it lies there."""
    place, scale = np.arange(wanted), wanted / size
    first = np.floor(place * (1 / scale)).astype(np.int64)  # in this order of rounding
    share = (place + 1) - (first + 1) * scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    return first, np.minimum(first + 1, size - 1), np.rint(share * 2048).astype(np.int64)

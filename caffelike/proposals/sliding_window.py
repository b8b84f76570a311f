"""Sliding windows: squares and oblong windows of some sizes, everywhere."""

from collections.abc import Sequence

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.proposals import COUNT, Proposals


class SlidingWindow(Proposals):
    """Windows of all sizes and ratios at steps that are a part of their sides; needs nothing, and knows nothing.

    sizes: roots of the windows' areas, as parts of the image's shorter side. ratios: width over height. step: between
    two windows, as a part of their sides. All scores are 0; where there are more than `count`, they are thinned evenly.
    """

    def __init__(
        self,
        sizes: Sequence[float] = (0.2, 0.3, 0.45, 0.7, 1.0),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        step: float = 0.25,
    ):
        if min(*sizes, *ratios, step) <= 0:
            raise CaffelikeError("Sliding windows need sizes, ratios and a step above 0.")
        self.sizes, self.ratios, self.step = tuple(sizes), tuple(ratios), step

    def propose(self, image: np.ndarray, count: int = COUNT) -> np.ndarray:
        """See Proposals."""
        height, width = image.shape[:2]
        found = []
        for size in self.sizes:
            for ratio in self.ratios:
                root = size * min(height, width)
                h, w = (
                    min(max(round(side), 1), n) for side, n in ((root / ratio**0.5, height), (root * ratio**0.5, width))
                )
                tops, lefts = _places(height, h, self.step), _places(width, w, self.step)
                y, x = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
                found.append(np.stack([y, x, y + h, x + w, np.zeros_like(y)], axis=1))
        boxes = np.unique(np.concatenate(found), axis=0).astype(np.float64)
        if len(boxes) > count:
            boxes = boxes[np.linspace(0, len(boxes) - 1, count).round().astype(int)]
        return boxes


def _places(length: int, side: int, step: float) -> np.ndarray:
    """First pixels of windows from one end to the other, at even steps of `step` sides or a little less."""
    count = int(np.ceil((length - side) / max(1.0, step * side))) + 1
    return np.linspace(0, length - side, count).round().astype(int)


METHOD = SlidingWindow

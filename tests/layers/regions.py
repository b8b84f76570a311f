"""Regions of interest for the tests of layers that pool them."""

import numpy as np


def spread(items: int = 1, extent: float = 12):
    """Values for `rois`: corners anywhere around an image of `extent` pixels, items 0 .. items - 1 in turn."""

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        corners = generator.uniform(-0.2 * extent, extent, (shape[0], 2))
        sizes = generator.uniform(-0.1 * extent, extent, (shape[0], 2))
        item = np.arange(shape[0]) % items
        return np.concatenate([item[:, None], corners, corners + sizes], axis=1).reshape(shape)

    return draw

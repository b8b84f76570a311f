"""What layers share that undo a pooling by its mask: the places of values in a larger plane."""

import numpy as np

from caffelike.errors import DataError


def check_mask(mask: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise DataError where the mask names a place beyond planes of `shape` (N, C, H, W)."""
    places = shape[2] * shape[3]
    if mask.size and not mask.max() < places:
        raise DataError(
            f"The mask names place {mask.max():g}, but planes of {shape[2]}x{shape[3]} have only {places}; the top must"
            " be as large as the bottom of the pooling layer the mask comes from."
        )


def put_back(x: np.ndarray, mask: np.ndarray, y: np.ndarray) -> None:
    """y = 0, and each value of x at its place mask = h * W + w of its plane; of several the last; none for -1."""
    y[...] = 0
    planes, places, values = _planes(y), _planes(mask).astype(np.int64), _planes(x)
    rows = np.broadcast_to(np.arange(len(planes))[:, None], places.shape)
    there = places >= 0
    planes[rows[there], places[there]] = values[there]


def take_out(dy: np.ndarray, mask: np.ndarray, dx: np.ndarray) -> None:
    """dx = what dy holds at the places of the mask; 0 for -1."""
    places = _planes(mask).astype(np.int64)
    values = np.take_along_axis(_planes(dy), np.maximum(places, 0), 1) if dx.size else _planes(dx)
    _planes(dx)[...] = np.where(places >= 0, values, 0)


def _planes(image: np.ndarray) -> np.ndarray:
    return image.reshape(image.shape[0] * image.shape[1], image.shape[2] * image.shape[3])

"""Putting values at the places of a mask, and taking them out; see layers/_unpool.py for the definition."""

import numpy as np

from caffelike.errors import DataError
from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values of the larger image in a chunk, more or less


def put_back(x: np.ndarray, mask: np.ndarray, y: np.ndarray) -> None:
    """y = 0, and each value of x at its place of its plane of y; of several the last; none for -1."""
    planes, places, room = _sizes(x, y)
    wrong = np.full(planes, -1.0, np.float32)
    _put(planes, max(1, _GRAIN // max(1, room)), x.reshape(-1), mask.reshape(-1), y.reshape(-1), places, room, wrong)
    beyond = wrong[~(wrong < 0)]
    if beyond.size:
        raise DataError(
            f"The mask names place {beyond.max():g}, but planes of {y.shape[2]}x{y.shape[3]} have only {room}; the top"
            " must be as large as the bottom of the pooling layer the mask comes from."
        )


def take_out(dy: np.ndarray, mask: np.ndarray, dx: np.ndarray) -> None:
    """dx = what dy holds at the places of the mask; 0 for -1."""
    planes, places, room = _sizes(dx, dy)
    arrays = (dy.reshape(-1), mask.reshape(-1), dx.reshape(-1))
    _take(planes, max(1, _GRAIN // max(1, places)), *arrays, places, room)


def _sizes(small: np.ndarray, large: np.ndarray) -> tuple[int, int, int]:
    """Planes, and the pixels of each in both."""
    return small.shape[0] * small.shape[1], small.shape[2] * small.shape[3], large.shape[2] * large.shape[3]


@task
def _put(worker, lo, hi, x, mask, y, places, room, wrong):
    """The planes lo..hi; a place beyond goes into `wrong`."""
    for p in range(lo, hi):
        plane = y[p * room : (p + 1) * room]
        for i in range(room):
            plane[i] = 0
        for i in range(p * places, (p + 1) * places):
            place = mask[i]
            if not place < room:
                wrong[p] = place
            elif place >= 0:
                plane[int(place)] = x[i]


@task
def _take(worker, lo, hi, dy, mask, dx, places, room):
    """The planes lo..hi."""
    for p in range(lo, hi):
        plane = dy[p * room : (p + 1) * room]
        for i in range(p * places, (p + 1) * places):
            dx[i] = plane[int(mask[i])] if mask[i] >= 0 else np.float32(0)

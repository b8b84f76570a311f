"""Values put back to where a pooling took them from: what Upsample and Unpooling share; see layers/_unpool.py."""

from typing import Any

import numpy as np

from caffelike.errors import DataError
from caffelike.kernels.cuda.door import download, empty, fill, on_host, task
from caffelike.kernels.cuda.sums import summed


def check_mask(mask: Any, shape: tuple[int, ...]) -> None:
    """Raise DataError where the mask names a place beyond planes of `shape` (N, C, H, W). Waits for it."""
    places = int(shape[2] * shape[3])
    wrong, count = empty(1), np.empty(1, np.float32)
    _wrong(1, mask.size, wrong, 0, mask.reshape(-1), places)
    download(wrong, count)
    if count[0]:
        raise DataError(
            f"The mask names place {on_host(mask).max():g}, but planes of {shape[2]}x{shape[3]} have only {places}; the"
            " top must be as large as the bottom of the pooling layer the mask comes from."
        )


def put_back(x: Any, mask: Any, y: Any) -> None:
    """y = 0, and each value of x at its place of its plane; a thread for each plane, so that the last one stands.

    mask: of the shape of x, or one plane for all.
    """
    fill(y.reshape(-1), 0)
    planes = int(x.shape[0] * x.shape[1])
    _put_back(planes, x.reshape(-1), mask.reshape(-1), y.reshape(-1), mask.size, *_sizes(x, y))


def take_out(dy: Any, mask: Any, dx: Any) -> None:
    """dx = what dy holds at the places of the mask; 0 for -1."""
    _take_out(dx.size, dy.reshape(-1), mask.reshape(-1), dx.reshape(-1), mask.size, *_sizes(dx, dy))


def _sizes(small: Any, large: Any) -> tuple[int, int]:
    """Values in a plane of each."""
    return int(small.shape[2] * small.shape[3]), int(large.shape[2] * large.shape[3])


@summed
def _wrong(o, i, mask, places):
    return np.float32(0) if mask[i] < places else np.float32(1)


@task
def _put_back(p, x, mask, y, masks, size, places):
    for i in range(p * size, (p + 1) * size):
        place = int(mask[i % masks])
        if place >= 0:
            y[p * places + place] = x[i]


@task
def _take_out(i, dy, mask, dx, masks, size, places):
    place = int(mask[i % masks])
    dx[i] = dy[i // size * places + place] if place >= 0 else np.float32(0)

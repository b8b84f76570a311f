"""ShuffleChannel; see layers/shuffle_channel.py for the definition."""

import numpy as np

from caffelike.kernels.launch import task

_GRAIN = 1 << 15  # values in a chunk, more or less


def forward(x: np.ndarray, y: np.ndarray, group: int) -> None:
    """y's channels are the first of each of x's groups, then the second of each, ..."""
    _move(x, y, group)


def backward(dy: np.ndarray, dx: np.ndarray, group: int) -> None:
    """And back: the same with groups and their sizes exchanged."""
    _move(dy, dx, dx.shape[1] // group)


def _move(x: np.ndarray, y: np.ndarray, group: int) -> None:
    planes = x.shape[0] * x.shape[1]
    places = x.size // max(1, planes)
    _copy(planes, max(1, _GRAIN // max(1, places)), x.reshape(-1), y.reshape(-1), x.shape[1], group, places)


@task
def _copy(worker, lo, hi, x, y, channels, group, places):
    """The top's planes lo..hi."""
    for p in range(lo, hi):
        n, c = p // channels, p % channels
        source = n * channels + (c % group) * (channels // group) + c // group
        to, there = y[p * places : (p + 1) * places], x[source * places : (source + 1) * places]
        for i in range(places):
            to[i] = there[i]

"""ShuffleChannel; see layers/shuffle_channel.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import task


def forward(x: Any, y: Any, group: int) -> None:
    """Groups as columns become rows."""
    _shuffle(x.size, x.reshape(-1), y.reshape(-1), *_lengths(x, group))


def backward(dy: Any, dx: Any, group: int) -> None:
    """And back."""
    rows, columns, inner = _lengths(dx, group)
    _shuffle(dx.size, dy.reshape(-1), dx.reshape(-1), columns, rows, inner)


def _lengths(x: Any, group: int) -> tuple[int, int, int]:
    """Groups, channels of each, and how many values lie behind a channel."""
    channels = int(x.shape[1])
    return group, channels // group, x.size // max(1, x.shape[0] * channels)


@task
def _shuffle(i, x, y, rows, columns, inner):
    """Value i of y, whose channels are a table of `columns` rows and `rows` columns; that of x lies on its side."""
    plane, place = i // inner, i % inner
    item, channel = plane // (rows * columns), plane % (rows * columns)
    source = channel % rows * columns + channel // rows
    y[i] = x[(item * rows * columns + source) * inner + place]

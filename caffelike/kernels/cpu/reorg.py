"""Reorg; see layers/reorg.py for the definition."""

import numpy as np

from caffelike.kernels.launch import task

_GRAIN = 1 << 14  # values in a chunk, more or less


def forward(x: np.ndarray, y: np.ndarray, stride: int, reverse: bool) -> None:
    """Squares of pixels into channels, or channels into squares."""
    _move(x, y, x.shape[1:], stride, reverse)


def backward(dy: np.ndarray, dx: np.ndarray, stride: int, reverse: bool) -> None:
    """The other way round."""
    _move(dy, dx, dx.shape[1:], stride, not reverse)


def _move(source: np.ndarray, to: np.ndarray, shape: tuple[int, ...], s: int, spread: bool) -> None:
    """shape: channels, height and width of the layer's bottom; spread: write squares, else read them."""
    channels, height, width = shape
    planes = source.shape[0] * channels
    grain = max(1, _GRAIN // max(1, height * width))
    _planes(planes, grain, source.reshape(-1), to.reshape(-1), channels, height, width, s, spread)


@task
def _planes(worker, lo, hi, source, to, channels, height, width, s, spread):
    """The planes lo..hi that hold one pixel of each square."""
    fewer = channels // (s * s)
    for p in range(lo, hi):
        n, c = p // channels, p % channels
        a, b, rest = c // (s * fewer), c // fewer % s, c % fewer
        for i in range(height):
            plane = p * height * width + i * width
            line = (((n * fewer + rest) * height + i) * s + a) * width * s + b
            if spread:
                for j in range(width):
                    to[line + j * s] = source[plane + j]
            else:
                for j in range(width):
                    to[plane + j] = source[line + j * s]

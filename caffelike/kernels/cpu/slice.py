"""Slice; see layers/slice.py for the definition."""

import numpy as np

from caffelike.kernels.cpu.several import join
from caffelike.kernels.replay import replayable


@replayable
def forward(x: np.ndarray, ys: tuple[np.ndarray, ...], axis: int, points: tuple[int, ...]) -> None:
    """Its part of x to each top."""
    join(ys, x, axis, points, True)


@replayable
def backward(dys: tuple[np.ndarray | None, ...], dx: np.ndarray, axis: int, points: tuple[int, ...]) -> None:
    """dx = the parts' gradients one after the other, 0 for one that is not there."""
    join(dys, dx, axis, points, False)

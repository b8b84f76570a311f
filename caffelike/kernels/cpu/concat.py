"""Concat; see layers/concat.py for the definition."""

from itertools import accumulate

import numpy as np

from caffelike.kernels.cpu.several import join
from caffelike.kernels.replay import replayable


@replayable
def forward(xs: tuple[np.ndarray, ...], y: np.ndarray, axis: int) -> None:
    """y = the bottoms one after the other."""
    join(xs, y, axis, list(accumulate(x.shape[axis] for x in xs[:-1])), False)


@replayable
def backward(dy: np.ndarray, dxs: tuple[np.ndarray | None, ...], axis: int, points: tuple[int, ...]) -> None:
    """Its part of dy to each bottom that wants it."""
    join(dxs, dy, axis, points, True)

"""Silence; see layers/silence.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import fill


def backward(dxs: tuple[Any, ...]) -> None:
    """Nothing depends on the bottoms."""
    for dx in dxs:
        if dx is not None:
            fill(dx.reshape(-1), 0)

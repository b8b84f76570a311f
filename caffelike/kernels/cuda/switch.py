"""Switch; see layers/switch.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import copy, fill


def forward(xs: tuple[Any, ...], y: Any, chosen: np.ndarray) -> None:
    """Copy the one; `chosen` is in the computer's memory."""
    copy(y, xs[int(chosen[0])])


def backward(dy: Any, dxs: tuple[Any, ...], chosen: np.ndarray) -> None:
    """Copy to the one."""
    for i, dx in enumerate(dxs):
        if dx is not None and i == chosen[0]:
            copy(dx, dy)
        elif dx is not None:
            fill(dx.reshape(-1), 0)

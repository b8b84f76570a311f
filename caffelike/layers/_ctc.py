"""What CTC's loss and decoder share: how long each sequence is."""

import numpy as np


def lengths(going_on: np.ndarray | None, steps: int, items: int) -> np.ndarray:
    """The time steps of each item, from its indicators (T, N): 0 where a sequence begins, 1 where it goes on.

    A sequence begins in step 0 and ends before the next 0. None: all have T steps.
    """
    if going_on is None:
        return np.full(items, steps)
    stops = going_on.reshape(steps, items)[1:] == 0
    return np.where(stops.any(axis=0), stops.argmax(axis=0) + 1, steps)

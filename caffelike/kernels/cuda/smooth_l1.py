"""The robust distance of Fast R-CNN's losses: quadratic near zero, linear further out."""

import numpy as np

from caffelike.kernels.cuda.door import device
from caffelike.kernels.cuda.scalar import sign


@device
def smooth_l1(gap, square):
    """square gap^2 / 2 where |gap| < 1 / square, else |gap| - 1 / (2 square)."""
    if abs(gap) < np.float32(1) / square:
        return np.float32(0.5) * square * gap * gap
    return abs(gap) - np.float32(0.5) / square


@device
def smooth_l1_slope(gap, square):
    """Its derivative."""
    return square * gap if abs(gap) < np.float32(1) / square else sign(gap)

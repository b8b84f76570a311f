"""The length of a gradient, for clip_gradients."""

import numpy as np

from caffelike import device

_CHUNK = 1 << 14  # elements; fixed, so that the sum has the same bits on every machine and thread count


def squared_norm(array: np.ndarray) -> float:
    """Sum of the squares of a 1-D float32 array, in double precision from chunk to chunk; of a device array too."""
    on = device.CPU if isinstance(array, np.ndarray) else device.CUDA
    fast = device.kernel("norm", "squared_norm", on)
    if fast is not None:
        return float(fast(array))
    return float(sum(np.sum(np.square(array[i : i + _CHUNK]), dtype=np.float64) for i in range(0, array.size, _CHUNK)))

"""The length of a gradient; see solvers/norm.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import download, empty
from caffelike.kernels.cuda.sums import summed

_CHUNK = 1 << 14  # elements whose squares one block of threads adds up


def squared_norm(array: Any) -> float:
    """The sum of the squares of a 1-D array, in double precision; waits for the GPU."""
    chunks = -(-array.size // _CHUNK)
    parts, found = empty(chunks), np.empty(chunks, np.float32)
    _squares(chunks, _CHUNK, parts, 0, array, array.size)
    download(parts, found)
    return float(found.sum(dtype=np.float64))


@summed
def _squares(o, k, array, size):
    i = o * _CHUNK + k
    return array[i] * array[i] if i < size else np.float32(0)

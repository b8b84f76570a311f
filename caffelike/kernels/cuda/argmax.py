"""ArgMax; see layers/argmax.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task


def forward(x: Any, y: Any, top_k: int, out_max_val: bool, axis: int | None) -> None:
    """One thread goes through what it chooses from, once for each of the top_k."""
    if x.size == 0:
        return
    shape = tuple(x.shape)
    along = x.size // shape[0] if axis is None else shape[axis]
    inner = 1 if axis is None else int(np.prod(shape[axis + 1 :], dtype=np.int64))
    values = -1 if not out_max_val else 0 if axis is not None else top_k  # how far behind its index a value stands
    each = 2 * top_k if values > 0 else top_k
    _forward(x.size // along, x.reshape(-1), y.reshape(-1), top_k, each, values, along, inner)


@device
def _before(a, i, b, j):
    """Whether value a at place i comes before b at j: the largest first, of equal ones the last; NaN before all."""
    if a != a or b != b:
        return b == b or (a != a and i > j)
    return a > b or (a == b and i > j)


@task
def _forward(line, x, y, top_k, each, values, along, inner):
    start, to = line // inner * along * inner + line % inner, line // inner * each * inner + line % inner
    last = -1
    for rank in range(top_k):
        best = -1
        for k in range(along):
            v = x[start + k * inner]
            left = last < 0 or _before(x[start + last * inner], last, v, k)
            if left and (best < 0 or _before(v, k, x[start + best * inner], best)):
                best = k
        if values != 0:
            y[to + rank * inner] = best
        if values >= 0:
            y[to + (values + rank) * inner] = x[start + best * inner]
        last = best

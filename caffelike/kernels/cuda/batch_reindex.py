"""BatchReindex; see layers/batch_reindex.py for the definition."""

from typing import Any

import numpy as np

from caffelike.errors import DataError
from caffelike.kernels.cuda.door import download, empty, on_host, task
from caffelike.kernels.cuda.sums import summed


def forward(x: Any, index: Any, y: Any) -> None:
    """Copy the items named. Waits for the indices' check; raises DataError."""
    items, wrong, count = int(x.shape[0]), empty(1), np.empty(1, np.float32)
    _wrong(1, index.size, wrong, 0, index, items)
    download(wrong, count)
    if count[0]:
        values = on_host(index)
        place = int(np.flatnonzero(~((np.trunc(values) >= 0) & (np.trunc(values) < items)))[0])
        raise DataError(
            f"index {values[place]:g} at place {place} is outside 0 to {items - 1}, the items of the batch."
        )
    _copy(y.size, x.reshape(-1), index, y.reshape(-1), y.size // max(1, index.size))


def backward(dy: Any, index: Any, dx: Any) -> None:
    """Add each gradient to the item it came from; one thread goes through all indices for a value, in order."""
    _add(dx.size, dy.reshape(-1), index, dx.reshape(-1), dx.size // max(1, dx.shape[0]), index.size)


@summed
def _wrong(o, i, index, items):
    return np.float32(0) if index[i] > np.float32(-1) and index[i] < np.float32(items) else np.float32(1)


@task
def _copy(i, x, index, y, each):
    y[i] = x[int(index[i // each]) * each + i % each]


@task
def _add(i, dy, index, dx, each, uses):
    total = np.float32(0)
    for m in range(uses):
        if int(index[m]) == i // each:
            total += dy[m * each + i % each]
    dx[i] = total

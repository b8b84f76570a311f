"""OuterProduct; see layers/outer_product.py for the definition."""

from typing import Any

from caffelike.kernels.cuda.door import task
from caffelike.kernels.cuda.sums import summed


def forward(a: Any, b: Any, y: Any) -> None:
    """A product of a column and a row for each item."""
    _forward(y.size, a.reshape(-1), b.reshape(-1), y.reshape(-1), int(a.shape[1]), int(b.shape[1]))


def backward(dy: Any, a: Any, b: Any, da: Any, db: Any) -> None:
    """da = dy b, db = a dy."""
    rows, columns, g = int(a.shape[1]), int(b.shape[1]), dy.reshape(-1)
    if da is not None:
        _along(da.size, columns, da.reshape(-1), 0, g, b.reshape(-1), rows, columns)
    if db is not None:
        _down(db.size, rows, db.reshape(-1), 0, g, a.reshape(-1), rows, columns)


@task
def _forward(i, a, b, y, rows, columns):
    y[i] = a[i // columns] * b[i // (rows * columns) * columns + i % columns]


@summed
def _along(i, k, dy, b, rows, columns):
    return dy[i * columns + k] * b[i // rows * columns + k]


@summed
def _down(j, k, dy, a, rows, columns):
    n = j // columns
    return dy[(n * rows + k) * columns + j % columns] * a[n * rows + k]

"""OuterProduct: every number of one vector times every number of another."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("OuterProduct")
class OuterProduct(Layer):
    """y[n, 0, i, j] = a[n, i] * b[n, j].

    bottoms: a (N, I) or (N, I, 1, 1); b (N, J), likewise. tops: y (N, 1, I, J).
    Gradient: to both. Errors: ShapeError for bottoms that are no vectors, or of different N.
    Source: Long et al., "Residual Transfer Networks", NIPS 2016 (thuml's transfer-caffe).
    """

    bottoms = ("a", "b")
    backward_reads = ("a", "b")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, 1, I, J)."""
        a, b = shapes
        if min(len(a), len(b)) < 2 or a[0] != b[0] or any(n != 1 for n in (*a[2:], *b[2:])):
            raise self.fail(f"needs two bottoms (N, I) and (N, J), but they are {a} and {b}.")
        return [(a[0], 1, a[1], b[1])]


def forward(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """A product of a column and a row for each item."""
    np.multiply(a.reshape(len(a), 1, a.shape[1], 1), b.reshape(len(b), 1, 1, b.shape[1]), out=y)


def backward(dy: np.ndarray, a: np.ndarray, b: np.ndarray, da: np.ndarray | None, db: np.ndarray | None) -> None:
    """da = dy b, db = a dy."""
    if da is not None:
        da[...] = (dy[:, 0] @ b.reshape(*b.shape[:2], 1)).reshape(da.shape)
    if db is not None:
        db[...] = (a.reshape(len(a), 1, a.shape[1]) @ dy[:, 0]).reshape(db.shape)

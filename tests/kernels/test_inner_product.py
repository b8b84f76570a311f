import numpy as np
import pytest

from caffelike.kernels import launch
from caffelike.kernels.cpu import inner_product

# leading axes of x, the flattened ones, num_output
CASES = [
    ((1,), (1,), 1),
    ((1,), (13, 5), 37),
    ((2,), (77,), 64),
    ((4,), (256,), 30),
    ((3,), (127,), 15),
    ((10,), (4, 83), 50),
    ((16,), (4100,), 40),
    ((3, 5), (33,), 13),
    ((64,), (130,), 127),
    ((100,), (65,), 10),
    ((100,), (1003,), 10),  # several panels, and steps for several threads
    ((0,), (5,), 3),
]


def near(got, wanted):
    assert np.abs(got - wanted).max(initial=0) <= 4e-6 * max(1.0, float(np.abs(wanted).max(initial=0)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("transpose", [False, True])
def test_against_numpy(case, transpose, rng):
    lead, inner, outputs = case
    k, axis = int(np.prod(inner)), len(lead)
    x = rng.standard_normal((*lead, *inner)).astype(np.float32)
    w = rng.standard_normal((k, outputs) if transpose else (outputs, k)).astype(np.float32)
    bias = rng.standard_normal(outputs).astype(np.float32)
    dy = rng.standard_normal((*lead, outputs)).astype(np.float32)
    x2, dy2 = (
        a.astype(np.float64).reshape(int(np.prod(lead)), -1 if a.size else n) for a, n in ((x, k), (dy, outputs))
    )
    w2 = w if transpose else w.T
    most, results = launch.get_num_threads(), []
    for threads in sorted({1, min(2, most)}):
        launch.set_num_threads(threads)
        for b in (None, bias):
            y = np.full_like(dy, np.nan)
            inner_product.forward(x, w, b, y, axis, transpose)
            near(y.reshape(dy2.shape), x2 @ w2 + (0 if b is None else b))
        dx, dw, db = (np.full_like(a, np.nan) for a in (x, w, bias))
        inner_product.backward(dy, x, w, dx, dw, db, axis, transpose, 0)
        true_dw = x2.T @ dy2 if transpose else dy2.T @ x2
        near(dx.reshape(x2.shape), dy2 @ w2.T)
        near(dw, true_dw)
        near(db, dy2.sum(0))
        results.append((y.copy(), dx, dw.copy(), db.copy()))
        inner_product.backward(dy, x, w, None, dw, None, axis, transpose, 1)
        near(dw, 2 * true_dw)
        inner_product.backward(dy, x, w, None, None, db, axis, transpose, 1)
        near(db, 2 * dy2.sum(0))
    launch.set_num_threads(most)
    for one, two in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(one, two)

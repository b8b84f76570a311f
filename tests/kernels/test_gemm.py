import numpy as np
import pytest

from caffelike.kernels import launch
from caffelike.kernels.cpu.gemm import gemm

SIZES = [(1, 1, 1), (13, 15, 1), (127, 127, 127), (8, 48, 209), (17, 1000, 50), (100, 9, 417), (5, 0, 3), (3, 4, 0)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("beta", [0, 1, 0.5])
def test_against_numpy(sizes, trans_a, trans_b, beta, rng):
    m, n, k = sizes
    a, b, c = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
    wanted = a.astype(np.float64) @ b + beta * c
    if beta == 0:
        c[...] = np.nan
    a, b = (np.ascontiguousarray(x.T if t else x) for x, t in ((a, trans_a), (b, trans_b)))
    most, results = launch.get_num_threads(), []
    for threads in sorted({1, min(2, most)}):
        launch.set_num_threads(threads)
        results.append(c.copy())
        gemm(a, b, results[-1], trans_a, trans_b, beta)
    launch.set_num_threads(most)
    assert np.abs(results[0] - wanted).max(initial=0) <= 5e-6 * (1 + k**0.5)
    np.testing.assert_array_equal(results[0], results[-1])


@pytest.mark.parametrize("shift", [0, 1])  # its lines begin at multiples of 64 bytes, or elsewhere
def test_products_too_large_for_the_caches(shift, rng):
    rows, columns, depth = 1033, 2032, 3
    a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((depth, rows), (depth, columns)))
    c = launch.aligned(rows * columns + shift)[shift:].reshape(rows, columns)
    c[...] = np.nan
    gemm(a, b, c, True, False, 0)
    np.testing.assert_allclose(c, a.T @ b, rtol=1e-5, atol=1e-5)

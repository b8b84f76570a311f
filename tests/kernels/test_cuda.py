"""What CUDA kernels are made of, at sizes for which a block of threads works together; and which kernels there are."""

import numpy as np
import pytest

from caffelike import device


def on_device(*arrays):
    return [device.use().on_device(np.asarray(a, np.float32)) for a in arrays]


@pytest.mark.gpu
@pytest.mark.parametrize(("rows", "columns", "terms"), [(17, 9, 5), (16, 8, 1), (18, 1, 3), (16, 3, 0)])
@pytest.mark.parametrize("add", [False, True])
def test_products_in_tiles(rows, columns, terms, add):
    from caffelike.kernels.cuda.matrix import multiply
    from caffelike.kernels.cuda.product import _FEW

    assert rows >= _FEW  # fewer are done by one thread each, as in the layers' own tests
    generator = np.random.default_rng(0)
    a, b, c = (generator.standard_normal(s) for s in ((rows, terms), (terms, columns), (rows, columns)))
    left, right, to = on_device(a.ravel(), b.ravel(), c.ravel())
    multiply(left, right, to, (rows, columns, terms), (terms, 1, columns, 1), add=add)
    got = device.use().on_host(to).reshape(rows, columns)
    np.testing.assert_allclose(got, a @ b + (c if add else 0), 1e-5, 1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("terms", [64, 65, 129])
@pytest.mark.parametrize("beta", [0, 1])
def test_sums_by_blocks(terms, beta):
    from caffelike.kernels.cuda.spread import sums

    values = np.random.default_rng(0).standard_normal((terms, 3))
    large, to = on_device(values, [1, 2, 3])
    sums(large, None, to, to, 1, beta)
    want = values.sum(axis=0) + (np.arange(1, 4) if beta else 0)
    np.testing.assert_allclose(device.use().on_host(to), want, 1e-5, 1e-5)

import numpy as np
import pytest

from caffelike.kernels.cpu import exchange as fast
from caffelike.parallel import exchange


@pytest.mark.parametrize("module", [exchange, fast])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("start", "end"), [(0, 20011), (16, 17), (13, 9000), (5, 5)])
def test_mean_and_give(module, ranks, start, end):
    numbers = np.random.default_rng(0).standard_normal((ranks, 20011)).astype(np.float32)
    own = ranks - 1
    rows, want = numbers.copy(), numbers.copy()
    module.mean(rows, own, start, end)
    want[own, start:end] = numbers.mean(axis=0, dtype=np.float64)[start:end]
    np.testing.assert_allclose(rows, want, rtol=1e-5, atol=1e-6)

    want = rows.copy()
    module.give(rows, own, start, end)
    want[:, start:end] = want[own, start:end]
    np.testing.assert_array_equal(rows, want)


def test_both_have_the_same_bits():
    rows = np.random.default_rng(0).standard_normal((3, 20011)).astype(np.float32)
    other = rows.copy()
    exchange.mean(rows, 1, 3, 20001)
    fast.mean(other, 1, 3, 20001)
    np.testing.assert_array_equal(rows, other)

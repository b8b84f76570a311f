import numpy as np
import pytest

from caffelike.blob import aligned_zeros
from caffelike.kernels.cpu import exchange as fast
from caffelike.parallel import exchange


@pytest.fixture(params=[exchange, fast, "streamed"])
def module(request, monkeypatch):
    if request.param == "streamed":  # as rows are that are larger than the caches
        monkeypatch.setattr(fast, "_STREAM", 0)
        return fast
    return request.param


def rows_of(ranks):
    """Some rows on a cache line, as in a window."""
    rows = aligned_zeros(ranks * 20016).reshape(ranks, -1)
    rows[...] = np.random.default_rng(0).standard_normal(rows.shape)
    return rows


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("start", "end"), [(0, 20016), (16, 17), (13, 9000), (5, 5)])
def test_mean_and_give(module, ranks, start, end):
    rows = rows_of(ranks)
    numbers, own = rows.copy(), ranks - 1
    want = rows.copy()
    want[own, start:end] = numbers.mean(axis=0, dtype=np.float64)[start:end]
    module.mean(rows, start, end, rows[own, start:end])
    np.testing.assert_allclose(rows, want, rtol=1e-5, atol=1e-6)

    want = rows.copy()
    want[:, start:end] = want[own, start:end]
    module.give(rows, own, start, end)
    np.testing.assert_array_equal(rows, want)


def test_both_have_the_same_bits():
    rows, slow, quick = rows_of(3), np.empty(19998, np.float32), np.empty(19998, np.float32)
    exchange.mean(rows, 3, 20001, slow)
    fast.mean(rows, 3, 20001, quick)
    np.testing.assert_array_equal(slow, quick)

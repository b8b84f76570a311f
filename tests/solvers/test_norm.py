import numpy as np
import pytest

from caffelike.solvers.norm import squared_norm


@pytest.mark.parametrize("size", [0, 1, 100, 16384, 16385, 100_003])
def test_squared_norm(size):
    values = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    assert squared_norm(values) == pytest.approx(float(np.sum(values.astype(np.float64) ** 2)), rel=1e-6, abs=1e-12)

import numpy as np
import pytest
from compare import check, empty, normal


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 13, 7, 127), (3, 3, 15, 40), (0, 4, 5, 5), (2, 40, 1, 3)])
@pytest.mark.parametrize(
    ("size", "alpha", "beta", "k"), [(5, 1e-4, 0.75, 1.0), (3, 0.8, 0.6, 2.0), (1, 1.0, 0.75, 0.5)]
)
def test_against_definition(region, shape, size, alpha, beta, k, rng):
    options = {"region": region, "size": size, "alpha": alpha, "beta": beta, "k": k}
    x = 3 * normal(rng, *shape)
    check("lrn", "forward", ["y"], x=x, y=empty(*shape), **options)
    dy = normal(rng, *shape)
    check("lrn", "backward", ["dx"], dy=dy, x=x, dx=empty(*shape), **options)
    check("lrn", "backward", ["dx"], dy=dy, x=x, dx=dy, **options)


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_values_that_are_not_finite(region, rng):
    options = {"region": region, "size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
    shape = (1, 9, 7, 11)
    x, dy = normal(rng, *shape), normal(rng, *shape)
    x[0, 1, 1, 1], x[0, 7, 5, 9] = np.nan, np.inf
    check("lrn", "forward", ["y"], x=x, y=empty(*shape), **options)
    check("lrn", "backward", ["dx"], dy=dy, x=x, dx=empty(*shape), **options)

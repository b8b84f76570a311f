import numpy as np
import pytest
from compare import check, empty, normal

SHAPES = [((1,), 0), ((13, 15), 1), ((0, 3), 1), ((64, 10), 1), ((3, 127), 1), ((2, 13, 15, 40), 1), ((5, 4, 7), -1)]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("inplace", [False, True])
def test_against_definition(shape, axis, inplace, rng):
    axis %= len(shape)
    x, dy = 5 * normal(rng, *shape), normal(rng, *shape)
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    got = check("softmax", "forward", ["y"], x=x, y=y, axis=axis)["y"]
    check("softmax", "backward", ["dx"], dy=dy, y=got, dx=dx, axis=axis)


@pytest.mark.parametrize("shape", [(6, 21), (6, 21, 3, 5)])
def test_values_that_are_not_finite(shape, rng):
    x = normal(rng, *shape)
    x[0, 3], x[1, 4], x[2, 20], x[3], x[4] = np.nan, np.inf, -np.inf, -np.inf, 3e38
    check("softmax", "forward", ["y"], x=x, y=empty(*shape), axis=1)

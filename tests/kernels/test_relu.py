import numpy as np
import pytest
from compare import check, empty, normal


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])
@pytest.mark.parametrize("shape", [(1,), (13, 15), (0, 3), (127, 3, 100)])
@pytest.mark.parametrize("inplace", [False, True])
def test_against_definition(slope, shape, inplace, rng):
    x, dy = normal(rng, *shape), normal(rng, *shape)
    x.reshape(-1)[::7] = 0
    x.reshape(-1)[3:4], x.reshape(-1)[5:6], x.reshape(-1)[6:7] = np.nan, np.inf, -np.inf
    y = x if inplace else empty(*shape)
    got = check("relu", "forward", ["y"], x=x, y=y, negative_slope=slope)["y"]
    dx = dy if inplace else empty(*shape)
    check("relu", "backward", ["dx"], exact=["dx"], dy=dy, x=x, y=got, dx=dx, negative_slope=slope)

"""Scale, Bias and PReLU."""

import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.kernels.cpu import scale as kernel

CASES = [  # shape of x, axis, shape of the small array
    ((1,), 0, (1,)),
    ((13, 15), 1, (15,)),
    ((0, 3), 1, (3,)),
    ((64, 300), 1, (300,)),
    ((3, 5, 15, 40), 1, (5,)),
    ((3, 5, 4, 7), 1, (5, 4)),
    ((3, 5, 4, 7), 2, (4, 7)),
    ((3, 5, 4), 0, (3,)),
    ((3, 5, 127), 0, ()),
]


@pytest.mark.parametrize(("shape", "axis", "small"), CASES)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_scale(shape, axis, small, biased, inplace, rng):
    x, dy, scale = normal(rng, *shape), normal(rng, *shape), normal(rng, *small)
    bias = normal(rng, *small) if biased else None
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    got = check("scale", "forward", ["y"], x=x, scale=scale, bias=bias, y=y, axis=axis)["y"]
    clipped = empty(*shape)
    kernel.forward_relu(x, scale, bias, clipped, axis, 0.25)
    np.testing.assert_array_equal(clipped, np.where(got > 0, got, np.float32(0.25) * got))
    for beta, learned in ((0, True), (1, True), (1, False)):
        gradients = {"dscale": normal(rng, *small), "dbias": normal(rng, *small) if biased else None}
        arguments = {"dy": dy, "x": x, "scale": scale, "axis": axis, "learned": learned, "beta": beta}
        check("scale", "backward", ["dx", "dscale", "dbias"], atol=1e-5, dx=dx, **gradients, **arguments)
        check("scale", "backward", ["dscale"], atol=1e-5, dx=None, **gradients, **arguments)


@pytest.mark.parametrize(("shape", "axis", "small"), CASES)
@pytest.mark.parametrize("inplace", [False, True])
def test_bias(shape, axis, small, inplace, rng):
    x, dy, bias = normal(rng, *shape), normal(rng, *shape), normal(rng, *small)
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    check("bias", "forward", ["y"], exact=["y"], x=x, bias=bias, y=y, axis=axis)
    for beta, learned in ((0, True), (1, True), (1, False)):
        arguments = {"dbias": normal(rng, *small), "axis": axis, "learned": learned, "beta": beta}
        check("bias", "backward", ["dx", "dbias"], atol=1e-5, dy=dy, bias=bias, dx=dx, **arguments)


@pytest.mark.parametrize("shape", [(1, 1), (13, 15), (0, 3), (3, 5, 15, 40)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_prelu(shape, shared, inplace, rng):
    small = () if shared else (shape[1],)
    x, dy, slope = normal(rng, *shape), normal(rng, *shape), normal(rng, *small)
    x.reshape(-1)[3:4] = np.nan
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    check("prelu", "forward", ["y"], x=x, slope=slope, y=y)
    for beta in (0, 1):
        arguments = {"dslope": normal(rng, *small), "beta": beta}
        check("prelu", "backward", ["dx", "dslope"], atol=1e-5, dy=dy, x=x, slope=slope, dx=dx, **arguments)

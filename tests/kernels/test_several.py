"""Split, Concat, Slice and Eltwise: kernels over any number of arrays."""

import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.kernels.cpu import eltwise

SHAPES = [(1,), (13, 15), (0, 3), (127, 3, 100)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("present", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_split(shape, present, rng):
    dys = tuple(normal(rng, *shape) if i in present else None for i in range(4))
    check("split", "backward", ["dx"], exact=["dx"], dys=dys, dx=empty(*shape))


@pytest.mark.parametrize("shape", [(1, 1), (3, 9, 13, 15), (0, 9, 2), (2, 9), (64, 9, 127)])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("present", [(0, 1, 2), (1,)])
def test_concat_and_slice(shape, axis, present, rng):
    axis %= len(shape)
    n = shape[axis]
    points = (n // 3, n // 2)  # also parts of length 0
    parts = [
        (*shape[:axis], length, *shape[axis + 1 :]) for length in (points[0], points[1] - points[0], n - points[1])
    ]
    x = normal(rng, *shape)
    full = tuple(normal(rng, *part) for part in parts)
    places = tuple(empty(*part) for part in parts)
    some = tuple(part if i in present else None for i, part in enumerate(full))
    wanted = tuple(part if i in present else None for i, part in enumerate(places))
    check("concat", "forward", ["y"], exact=["y"], xs=full, y=empty(*shape), axis=axis)
    check("concat", "backward", ["dxs"], exact=["dxs"], dy=x, dxs=wanted, axis=axis, points=points)
    check("slice", "forward", ["ys"], exact=["ys"], x=x, ys=places, axis=axis, points=points)
    check("slice", "backward", ["dx"], exact=["dx"], dys=some, dx=empty(*shape), axis=axis, points=points)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bottoms", [2, 3, 5])
@pytest.mark.parametrize("operation", ["SUM", "PROD", "MAX"])
def test_eltwise(shape, bottoms, operation, rng):
    xs = tuple(np.round(2 * normal(rng, *shape)) / 2 for _ in range(bottoms))
    for x in xs[:2]:
        x.reshape(-1)[3:4], x.reshape(-1)[5:6] = np.nan, np.inf
    coeff = tuple(range(1, bottoms + 1)) if operation == "SUM" else (1.0,) * bottoms
    options = {"operation": operation, "coeff": tuple(map(float, coeff))}
    winner = empty(*shape, dtype=np.int32) if operation == "MAX" else None
    exact = ["y", "winner"] if operation == "MAX" else []
    outputs = ["y", "winner"] if operation == "MAX" else ["y"]
    got = check("eltwise", "forward", outputs, exact=exact, xs=xs, y=empty(*shape), winner=winner, **options)
    check("eltwise", "forward", ["y"], xs=xs, y=empty(*shape), winner=None, **options)
    clipped = empty(*shape)
    eltwise.forward_relu(xs, clipped, winner, **options, negative_slope=0.5)
    y = got["y"]
    np.testing.assert_array_equal(clipped, np.where(y > 0, y, np.float32(0.5) * y))
    for wanted in ((0, 1, 2, 3, 4), (1,)):
        dxs = tuple(empty(*shape) if i in wanted else None for i in range(bottoms))
        arrays = {"dy": normal(rng, *shape), "xs": xs, "y": y, "winner": got.get("winner"), "dxs": dxs}
        for stable in (True, False):
            check("eltwise", "backward", ["dxs"], rtol=1e-5, **arrays, **options, stable=stable)


@pytest.mark.parametrize("arriving", [0, 1, 2, 4])
@pytest.mark.parametrize("unwanted", [None, 0, 1])
def test_a_sum_hands_its_gradient_on(arriving, unwanted, rng):
    dys = [rng.standard_normal((3, 5, 401)).astype(np.float32) for _ in range(arriving)]
    y = rng.standard_normal((3, 5, 401)).astype(np.float32)
    dxs = tuple(None if i == unwanted else np.full(y.shape, np.nan, np.float32) for i in range(2))
    eltwise.backward_relu_split((None, *dys), y, dxs, 0.5)
    total = sum(dys[1:], dys[0]) if dys else np.zeros_like(y)
    for dx in dxs:
        if dx is not None:
            np.testing.assert_array_equal(dx, total * np.where(y > 0, np.float32(1), np.float32(0.5)))

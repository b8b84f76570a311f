import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.kernels.vector import LANES
from caffelike.layers._spatial import place_type, pooled_size

KEY = np.array([3, 4, 5], np.uint64)
WINDOWS = [  # kernel, stride, pad, ceil
    ((3, 3), (2, 2), (0, 0), True),
    ((2, 2), (2, 2), (0, 0), True),
    ((2, 2), (2, 2), (0, 0), False),
    ((3, 3), (1, 1), (1, 1), True),
    ((5, 3), (1, 1), (2, 1), True),
    ((3, 2), (3, 4), (1, 1), True),
    ((5, 4), (3, 2), (2, 3), False),
    ((1, 1), (3, 3), (0, 0), True),
    ((2, 2), (3, 3), (0, 0), True),  # windows without pixels
]
SHAPES = [
    (1, 1, 1, 1),
    (3, 9, 2, 3),
    (2, 3, 13, 15),
    (1, 2, 127, 40),
    (0, 3, 5, 5),
    (2, 2, 8, 2 * LANES + 1),
    (40, 3, 28, 9),
]


def run(rng, x, method, kernel, stride, pad, ceil=True, train=True, masked=True):
    out = pooled_size(x.shape[2:], kernel, stride, pad, ceil)
    if min(out) < 1:
        return None
    shape = (*x.shape[:2], *out)
    keeps = method == "MAX" or (method == "STOCHASTIC" and train)
    options = {"method": method, "kernel": kernel, "stride": stride, "pad": pad, "train": train, "include_pad": True}
    outputs = ["y"] + ["mask"] * masked + ["argmax"] * keeps
    result = check(
        "pooling",
        "forward",
        outputs,
        exact=outputs if method == "MAX" else ("mask", "argmax"),
        x=x,
        y=empty(*shape),
        mask=empty(*shape) if masked else None,
        argmax=empty(*shape, dtype=place_type(kernel)) if keeps else None,
        key=KEY if train else None,
        **options,
    )
    back = check(
        "pooling",
        "backward",
        ["dx"],
        dy=normal(rng, *shape),
        x=x,
        argmax=result.get("argmax"),
        dx=empty(*x.shape),
        **options,
    )
    return result | back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS)
def test_max(shape, window, rng):
    x = np.round(2 * normal(rng, *shape)) / 2  # many equal values
    x[rng.random(shape) < 0.1] = np.nan
    x[rng.random(shape) < 0.1] = -np.inf
    run(rng, x, "MAX", *window)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS)
def test_average(shape, window, rng):
    run(rng, normal(rng, *shape), "AVE", *window, masked=False)


def test_nothing_exceeds_the_least_number(rng):
    for value in (np.nan, -np.inf, np.finfo(np.float32).min):
        got = run(rng, np.full((1, 2, 5, 5), value, np.float32), "MAX", (3, 3), (2, 2), (0, 0))
        assert (got["y"] == np.finfo(np.float32).min).all()
        assert (got["argmax"] == 9).all()
        assert (got["mask"] == -1).all()
        assert (got["dx"] == 0).all()


def test_without_gradient(rng):
    x = normal(rng, 2, 3, 9, 9)
    options = {"kernel": (3, 3), "stride": (2, 2), "pad": (0, 0), "key": None, "train": False, "include_pad": True}
    for masked in (False, True):
        check(
            "pooling",
            "forward",
            ["y", "mask"],
            exact=("y", "mask"),
            x=x,
            y=empty(2, 3, 4, 4),
            mask=empty(2, 3, 4, 4) if masked else None,
            argmax=None,
            method="MAX",
            **options,
        )


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (13, 15)])
def test_global_average(size, rng):
    run(rng, normal(rng, 3, 37, *size), "AVE", size, (1, 1), (0, 0), masked=False)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("window", [((3, 3), (2, 2)), ((2, 3), (2, 1)), ((1, 1), (3, 3))])
def test_stochastic(train, window, rng):
    x = np.abs(normal(rng, 4, 3, 13, 15))
    x[0, 0] = 0
    run(rng, x, "STOCHASTIC", *window, (0, 0), train=train)

"""Layers that map every value by itself, except ReLU and Dropout, which have files of their own."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from compare import check, empty, normal

CASES = [
    ("absval", {}),
    ("clip", {"low": -0.5, "high": 1.5}),
    ("elu", {"alpha": 1.0, "scale": 1.0}),
    ("elu", {"alpha": -0.5, "scale": 1.5}),
    ("exp", {"inner": 0.7, "outer": 2.0}),
    ("log", {"factor": 1 / np.log(2), "scale": 0.5, "shift": 2.0}),
    ("power", {"power": 0.0, "scale": 2.0, "shift": 1.0}),
    ("power", {"power": 3.0, "scale": 0.0, "shift": 1.5}),
    ("power", {"power": -1.0, "scale": 0.0, "shift": 0.0}),
    ("power", {"power": 1.0, "scale": 2.0, "shift": -1.0}),
    ("power", {"power": 2.0, "scale": 0.5, "shift": 1.0}),
    ("power", {"power": 0.5, "scale": 1.0, "shift": 1.0}),
    ("power", {"power": -1.5, "scale": 1.0, "shift": 5.0}),
    ("sigmoid", {}),
    ("swish", {"beta": 1.5}),
    ("tanh", {}),
]


@pytest.mark.parametrize(("stem", "options"), CASES)
@pytest.mark.parametrize("shape", [(1,), (13, 15), (0, 3), (3, 127, 100)])
@pytest.mark.parametrize("inplace", [False, True])
def test_against_definition(stem, options, shape, inplace, rng):
    x, dy = 2 * normal(rng, *shape), normal(rng, *shape)
    x.reshape(-1)[3:4], x.reshape(-1)[5:6], x.reshape(-1)[8:9] = np.nan, np.inf, 0
    if options.get("power") != 0.5:  # C says that -infinity to the power of 1/2 is infinity, NumPy that it is NaN
        x.reshape(-1)[6:7] = -np.inf
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    y = check(stem, "forward", ["y"], rtol=5e-6, x=x, y=y, **options)["y"]
    arrays = {"dy": dy, "x": x, "y": y, "dx": dx}
    wanted = inspect.signature(import_module(f"caffelike.layers.{stem}").backward).parameters
    given = {k: v for k, v in (arrays | options).items() if k in wanted}
    check(stem, "backward", ["dx"], rtol=1e-5, **given)

import importlib

import numpy as np
import pytest
from compare import check, normal

CONSTANTS = {
    "sgd": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "adagrad": {"delta": 1e-8},
    "rmsprop": {"rms_decay": 0.98, "delta": 1e-8},
    "adadelta": {"momentum": 0.95, "delta": 1e-6},
    "adam": {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-8},
}
HISTORIES = {"adadelta": ["squares", "steps"], "adam": ["mean", "variance"]}


@pytest.fixture(params=CONSTANTS)
def arguments(request, rng):
    def make(size, scale=1.0, l2=0.0, l1=0.0):
        names = HISTORIES.get(request.param, ["history"])
        numbers = {"scale": scale, "l2": l2, "l1": l1, "rate": 0.01, **CONSTANTS[request.param]}
        arrays = {name: np.abs(normal(rng, size)) for name in names}
        arrays |= {"weight": normal(rng, size), "diff": normal(rng, size)}
        arrays["weight"][::5] = 0
        more = {"iteration": 7} if request.param == "adam" else {}
        return request.param, arrays, {k: np.float32(v) for k, v in numbers.items()} | more

    return make


@pytest.mark.parametrize("size", [0, 1, 13, 127, 40_000])
@pytest.mark.parametrize("decay", [{}, {"scale": 0.5, "l2": 0.01}, {"l1": 0.02}])
def test_against_definition(arguments, size, decay):
    stem, arrays, numbers = arguments(size, **decay)
    check(stem, "update", list(arrays), package="solvers", atol=1e-6, rtol=1e-5, **arrays, **numbers)


@pytest.mark.parametrize("at", [0, 16383, 16384, 39_999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(arguments, at, value):
    stem, arrays, numbers = arguments(40_000)
    update = importlib.import_module(f"caffelike.kernels.cpu.{stem}").update
    arrays["weight"][at] = value
    assert update(**arrays, **numbers) is False
    arrays = arguments(40_000)[1]
    arrays["weight"][at] = 3e38
    assert update(**arrays, **numbers) is True

import numpy as np
import pytest

from caffelike.kernels.cpu import vector_math
from caffelike.kernels.cpu.pointwise import unary
from caffelike.kernels.jit import kernel


@kernel
def _exp(v, numbers):
    return vector_math.exp(v)


@kernel
def _log(v, numbers):
    return vector_math.log(v)


@kernel
def _tanh(v, numbers):
    return vector_math.tanh(v)


@kernel
def _sigmoid(v, numbers):
    return vector_math.sigmoid(v)


FUNCTIONS = {
    "exp": (unary(_exp), np.exp, 1),
    "log": (unary(_log), np.log, -np.inf),
    "tanh": (unary(_tanh), np.tanh, 0),
    "sigmoid": (unary(_sigmoid), lambda x: 1 / (1 + np.exp(-x)), 0.5),
}


def every(step):
    """Every step-th float32 bit pattern: all exponents, denormals, NaN, both signs."""
    return np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_units_in_the_last_place(name):
    fast, exact, at_zero = FUNCTIONS[name]
    x = np.concatenate([every(4099), np.linspace(-110, 110, 200_001, dtype=np.float32)])
    x = np.concatenate([x, 1 + np.linspace(-1e-3, 1e-3, 20_001, dtype=np.float32)])
    y = np.empty_like(x)
    fast(x, y, 0.0)
    with np.errstate(all="ignore"):
        wanted = exact(x.astype(np.float64))
        rounded = wanted.astype(np.float32)
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        error = np.abs(y - wanted) / unit
    if name == "sigmoid":
        error[wanted < 3e-39] = 0
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    assert np.isfinite(y[finite]).all()
    assert error[finite].max() <= (3 if name == "sigmoid" else 2)
    assert (np.signbit(y) == np.signbit(rounded))[~np.isnan(rounded)].all()
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    got = np.empty_like(special)
    fast(special, got, 0.0)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got, exact(special))
    assert got[0] == got[1] == at_zero


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_and_single_values_agree(name):
    fast = FUNCTIONS[name][0]
    x = np.linspace(-20, 20, 77, dtype=np.float32)
    whole, single = np.empty_like(x), np.empty_like(x)
    fast(x, whole, 0.0)
    for i in range(x.size):
        fast(x[i : i + 1], single[i : i + 1], 0.0)
    assert whole.tobytes() == single.tobytes()

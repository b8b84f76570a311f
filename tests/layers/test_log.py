import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case, positive

CONTRACT = [
    Case(shapes=[(2, 3, 5)], inputs={"x": positive}),
    Case("log_param { base: 2 scale: 3 shift: 1 }", [(127,)], inputs={"x": positive}),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Log" bottom: "x" top: "{top}" log_param {{ base: 2 scale: 3 shift: 1 }}', x=(3,))
    np.testing.assert_allclose(layer.forward(x=[0, 1, 5]), [0, 2, 4], atol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 4, 16]), np.array([3, 3, 3]) / np.log(2), rtol=1e-6)


def test_zero_and_less():
    layer = OneLayer('type: "Log" bottom: "x" top: "y"', x=(3,))
    np.testing.assert_array_equal(layer.forward(x=[0, -1, 1]), [-np.inf, np.nan, 0])


@pytest.mark.parametrize("base", [0, 1, -2])
def test_base_refused(base):
    with pytest.raises(ModelError, match=f"base is {base}; it must be positive and not 1"):
        OneLayer(f'type: "Log" bottom: "x" top: "y" log_param {{ base: {base} }}', x=(3,))

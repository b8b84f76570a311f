import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case, positive

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("power_param { scale: -2 shift: 1 }", [(127,)]),
    Case("power_param { power: 2 scale: 0.5 shift: 1 }", [(2, 13)]),
    Case("power_param { power: 3 }", [(2, 13)]),
    Case("power_param { power: 0.37 scale: 0.83 shift: 2.4 }", [(2, 13)], inputs={"x": positive}),
    Case("power_param { power: -1.5 }", [(2, 13)], inputs={"x": positive}),
    Case("power_param { power: 0 scale: 3 shift: 2 }", [(2, 13)]),
    Case("power_param { power: 2 scale: 0 shift: 3 }", [(2, 13)]),
]


def power(options, top="y"):
    return OneLayer(f'type: "Power" bottom: "x" top: "{top}" power_param {{ {options} }}', x=(3,))


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = power("power: 2 scale: 3 shift: 1", top)
    assert layer.forward(x=[0, 1, -1]).tolist() == [1, 16, 4]
    assert layer.backward([1, 1, 2]).tolist() == [6, 24, -24]


def test_constant():
    layer = power("power: 2 scale: 0 shift: 3")
    assert layer.forward(x=[0, 1, np.nan]).tolist() == [9, 9, 9]
    assert layer.backward([1, 1, 1]).tolist() == [0, 0, 0]
    assert power("power: 0 scale: 0 shift: 0").forward(x=[0, 1, 2]).tolist() == [1, 1, 1]


def test_no_real_root():
    assert np.isnan(power("power: 0.5").forward(x=[-1, 0, 4])).tolist() == [True, False, False]


def test_slope_at_zero_is_the_limit():
    layer = power("power: 3")
    layer.forward(x=[0, 1, 2])
    assert layer.backward([1, 1, 1]).tolist() == [0, 3, 12]

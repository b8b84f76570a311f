import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case(shapes=[(127,)]),
    Case("relu_param { negative_slope: 0.25 }", [(1, 15, 13)]),
    Case("relu_param { negative_slope: -0.5 }", [(3, 2, 7)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "ReLU" bottom: "x" top: "{top}" relu_param {{ negative_slope: 0.5 }}', x=(4,))
    assert layer.forward(x=[-2, 0, 3, -4]).tolist() == [-1, 0, 3, -2]
    assert layer.backward([1, 2, 3, 4]).tolist() == [0.5, 1, 3, 2]


def test_without_slope():
    layer = OneLayer('type: "ReLU" bottom: "x" top: "y"', x=(4,))
    y = layer.forward(x=[-2, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(y, [0, np.nan, np.inf, np.nan])  # Caffe multiplies -infinity by the slope 0
    assert layer.backward([1, 2, 3, 4])[[0, 2]].tolist() == [0, 3]


def test_falling_slope_in_place():
    layer = OneLayer('type: "ReLU" bottom: "x" top: "x" relu_param { negative_slope: -1 }', x=(2,))
    assert layer.forward(x=[-2, 3]).tolist() == [2, 3]
    assert layer.backward([1, 1]).tolist() == [-1, 1]

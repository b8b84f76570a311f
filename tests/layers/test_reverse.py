import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case("", [(5, 3, 2)], batch=False), Case("reverse_param { axis: -1 }", [(2, 3, 7)])]


@pytest.mark.parametrize(("axis", "want"), [(0, [3, 4, 5, 0, 1, 2]), (1, [2, 1, 0, 5, 4, 3])])
def test_worked_example(axis, want):
    layer = OneLayer(f'type: "Reverse" bottom: "x" top: "y" reverse_param {{ axis: {axis} }}', x=(2, 3))
    assert layer.forward(x=np.arange(6).reshape(2, 3)).ravel().tolist() == want
    assert layer.backward(np.array(want).reshape(2, 3)).ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_axis_refused():
    with pytest.raises(ModelError, match="axis is 2"):
        OneLayer('type: "Reverse" bottom: "x" top: "y" reverse_param { axis: 2 }', x=(2, 3))

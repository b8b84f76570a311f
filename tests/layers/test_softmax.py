import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(3, 10)]),
    Case(shapes=[(2, 5, 3, 7)]),
    Case("softmax_param { axis: -1 }", [(2, 3, 127)]),
    Case("softmax_param { axis: 0 }", [(13,)], batch=False),
    Case("softmax_param { axis: 2 }", [(2, 3, 1, 5)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Softmax" bottom: "x" top: "{top}"', x=(2, 3))
    y = layer.forward(x=[[0, np.log(2), np.log(5)], [1000, 1000, -1000]])
    np.testing.assert_allclose(y, [[0.125, 0.25, 0.625], [0.5, 0.5, 0]], rtol=1e-6)
    dx = layer.backward([[8, 0, 0], [1, 3, 5]])
    np.testing.assert_allclose(dx, [[0.875, -0.25, -0.625], [-0.5, 0.5, 0]], rtol=1e-5)


def test_axis_refused():
    with pytest.raises(ModelError, match=r"'l' .*axis is 2"):
        OneLayer('type: "Softmax" bottom: "x" top: "y" softmax_param { axis: 2 }', x=(2, 3))

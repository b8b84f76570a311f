import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("swish_param { beta: 2 }", [(127,)]),
    Case("swish_param { beta: 0 }", [(3, 13)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Swish" bottom: "x" top: "{top}" swish_param {{ beta: 2 }}', x=(3,))
    half = np.log(3) / 2  # 2 x = log 3, whose sigmoid is 3/4
    np.testing.assert_allclose(layer.forward(x=[0, half, -half]), [0, 0.75 * half, -0.25 * half], rtol=1e-6)
    slope = np.log(3) * 3 / 16
    np.testing.assert_allclose(layer.backward([2, 1, 1]), [1, 0.75 + slope, 0.25 - slope], rtol=1e-6)

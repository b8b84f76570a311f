import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("elu_param { alpha: 0.5 }", [(127,)]),
    Case("elu_param { alpha: 0 }", [(3, 13)]),
    Case("elu_param { alpha: -0.5 }", [(3, 13)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "ELU" bottom: "x" top: "{top}" elu_param {{ alpha: 2 }}', x=(3,))
    y = layer.forward(x=[-np.log(2), 0, 3])
    np.testing.assert_allclose(y, [-1, 0, 3], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 2, 3]), [1, 4, 3], rtol=1e-6)

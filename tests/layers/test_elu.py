import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("elu_param { alpha: 0.5 }", [(127,)]),
    Case("elu_param { alpha: 0 }", [(3, 13)]),
    Case("elu_param { alpha: -0.5 }", [(3, 13)]),
    Case("elu_param { alpha: 1.5 lambda: 2 }", [(3, 13)]),
    Case("elu_param { alpha: -0.5 lambda: 2 }", [(2, 5)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "ELU" bottom: "x" top: "{top}" elu_param {{ alpha: 2 }}', x=(3,))
    y = layer.forward(x=[-np.log(2), 0, 3])
    np.testing.assert_allclose(y, [-1, 0, 3], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 2, 3]), [1, 4, 3], rtol=1e-6)


def test_lambda_worked_example():
    """NVIDIA's SELU: ELU times 1.0507."""
    layer = OneLayer('type: "ELU" bottom: "x" top: "y" elu_param { alpha: 2 lambda: 3 }', x=(3,))
    np.testing.assert_allclose(layer.forward(x=[-np.log(2), 0, 3]), [-3, 0, 9], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 2, 3]), [3, 12, 9], rtol=1e-6)
    with pytest.raises(ModelError, match="lambda is 0"):
        OneLayer('type: "ELU" bottom: "x" top: "y" elu_param { lambda: 0 }', x=(3,))

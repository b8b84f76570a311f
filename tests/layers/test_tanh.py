import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)]), Case(shapes=[(127,)])]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "TanH" bottom: "x" top: "{top}"', x=(3,))
    y = layer.forward(x=[0, np.log(2), -np.log(3)])  # (e^2x - 1) / (e^2x + 1)
    np.testing.assert_allclose(y, [0, 0.6, -0.8], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 1, 100]), [1, 0.64, 36], rtol=1e-5)

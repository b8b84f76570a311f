import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)]), Case(shapes=[(127,)])]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Sigmoid" bottom: "x" top: "{top}"', x=(4,))
    y = layer.forward(x=[0, np.log(3), -np.log(3), -1000])
    np.testing.assert_allclose(y, [0.5, 0.75, 0.25, 0], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([4, 16, 32, 1]), [1, 3, 6, 0], rtol=1e-5)

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)]), Case(shapes=[(127,)])]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "BNLL" bottom: "x" top: "{top}"', x=(4,))
    y = layer.forward(x=[0, np.log(3), 1000, -1000])
    np.testing.assert_allclose(y, [np.log(2), np.log(4), 1000, 0], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([2, 4, 5, 6]), [1, 3, 5, 0], rtol=1e-6)

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3, 4, 5)]), Case("", [(1, 1, 1, 1)]), Case("", [(3, 4)])]


def test_worked_example():
    layer = OneLayer('type: "Covariance" bottom: "x" top: "y"', x=(2, 3, 1, 2))
    x = np.array([[[1, 2], [3, 4], [0, -1]], [[6, 0], [0, 6], [6, 6]]])
    y = layer.forward(x=x[:, :, None])
    # sums over 2 pixels, divided by 2 pixels times 3 channels
    sums = [[[5, 11, -2], [11, 25, -4], [-2, -4, 1]], [[36, 0, 36], [0, 36, 36], [36, 36, 72]]]
    np.testing.assert_allclose(y[..., 0], np.array(sums) / 6, rtol=1e-6)
    dy = np.zeros((2, 3, 3, 1))
    dy[0, 0, 1] = 6  # x_0 x_1: each gets the other
    dy[0, 2, 2] = 6  # x_2^2: twice itself
    dy[1, 1, 0], dy[1, 0, 1] = 6, 12
    dx = layer.backward(dy)[:, :, 0]
    wanted = [[[3, 4], [1, 2], [0, -2]], [[0, 18], [18, 0], [0, 0]]]
    np.testing.assert_allclose(dx, wanted, rtol=1e-6)


def test_refused():
    with pytest.raises(ShapeError, match="2 axes or more"):
        OneLayer('type: "Covariance" bottom: "x" top: "y"', x=(3,))

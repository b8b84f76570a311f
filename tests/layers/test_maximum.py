import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3, 5, 7)], special=False)]
TINY = float(np.finfo(np.float32).tiny)


def test_worked_example():
    layer = OneLayer('type: "Maximum" bottom: "x" top: "y"', x=(1, 3, 2, 3))
    x = [[[[1, 2, 3], [4, 9, 6]], [[7, 1, 7], [0, -9, 7]], [[-1, -2, -3], [0, -5, -6]]]]
    assert layer.forward(x=x).tolist() == [[[[1, 1, 9]], [[0, 0, 7]], [[0, 0, TINY]]]]


def test_shapes_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        OneLayer('type: "Maximum" bottom: "x" top: "y"', x=(2, 3))

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case(shapes=[(3, 2, 4, 5), (3, 1, 4, 5)])]


def test_worked_example():
    text = 'type: "MaskPooling" bottom: "x" bottom: "m" top: "y"'
    layer = OneLayer(text, x=(1, 2, 2, 2), m=(1, 1, 2, 2))
    y = layer.forward(x=[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]], m=[[[[0, 1], [0.5, 2]]]])
    assert y.tolist() == [[[[0, 2], [1.5, 8]], [[0, 6], [3.5, 16]]]]
    dx, dm = layer.backward(np.array([[[[1, 1], [1, 1]], [[2, 3], [4, 5]]]]))
    assert dx.tolist() == [[[[0, 1], [0.5, 2]], [[0, 3], [2, 10]]]]
    assert dm.tolist() == [[[[11, 20], [31, 44]]]]
    with pytest.raises(ShapeError, match="needs maps"):
        OneLayer(text, x=(1, 2, 2, 2), m=(1, 2, 2, 2))

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(4, 5), (4, 5)]),
    Case("loss_weight: 3", [(3, 2, 7), (3, 14)]),
    Case(shapes=[(127,), (127,)]),
]


def test_worked_example():
    layer = OneLayer('type: "EuclideanLoss" bottom: "x" bottom: "t" top: "loss" loss_weight: 4', x=(2, 2), t=(2, 2))
    assert layer.forward(x=[[1, 2], [3, 4]], t=[[0, 2], [5, 1]]) == (1 + 4 + 9) / 4
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == [[2, 0], [-4, 6]]
    np.testing.assert_array_equal(layer.net.blobs["t"].diff, -layer.net.blobs["x"].diff)


def test_shapes_refused():
    with pytest.raises(ShapeError, match="Inputs must have the same dimension"):
        OneLayer('type: "EuclideanLoss" bottom: "x" bottom: "t" top: "loss"', x=(2, 2), t=(2, 3))

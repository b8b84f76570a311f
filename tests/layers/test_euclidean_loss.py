import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(4, 5), (4, 5)]),
    Case("loss_weight: 3", [(3, 2, 7), (3, 14)]),
    Case(shapes=[(127,), (127,)]),
    Case(shapes=[(3, 2, 7), (3, 14), (3,)]),
    Case(shapes=[(3, 5), (3, 5), (3, 5)]),
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


def test_weights_of_items_and_of_values():
    bottoms = 'type: "EuclideanLoss" bottom: "x" bottom: "t" bottom: "w" top: "loss" loss_weight: 4'
    layer = OneLayer(bottoms, x=(2, 2), t=(2, 2), w=(2, 1))
    assert layer.forward(x=[[1, 2], [3, 4]], t=[[0, 2], [5, 1]], w=[[10], [0.5]]) == (10 + (4 + 9) / 2) / 4
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == [[20, 0], [-2, 3]]
    layer = OneLayer(bottoms, x=(2, 2), t=(2, 2), w=(2, 2))
    assert layer.forward(x=[[1, 2], [3, 4]], t=[[0, 2], [5, 1]], w=[[1, 9], [0, 2]]) == (1 + 18) / 4
    with pytest.raises(ShapeError, match=r"'w' is \(2, 3\); expected is one weight for each item, \(2,\)"):
        OneLayer(bottoms, x=(2, 2), t=(2, 2), w=(2, 3))

import numpy as np
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)], tops=2), Case(shapes=[(127,)], tops=3), Case(shapes=[(3,)])]


def test_worked_example():
    layer = OneLayer('type: "Split" bottom: "x" top: "a" top: "b" top: "c"', x=(2,))
    assert [y.tolist() for y in layer.forward(x=[1, 2])] == [[1, 2]] * 3
    assert layer.backward([1, 2], [10, 20], [100, 200]).tolist() == [111, 222]


def test_tops_are_the_bottoms_memory():
    layer = OneLayer('type: "Split" bottom: "x" top: "a"', x=(2,))
    layer.forward(x=[1, 2])
    assert np.shares_memory(layer.net.blobs["x"].data, layer.net.blobs["a"].data)
    assert layer.backward([5, 6]).tolist() == [5, 6]

import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3), (2, 5)]), Case("", [(13, 4, 1, 1), (13, 2)])]
TEXT = 'type: "OuterProduct" bottom: "a" bottom: "b" top: "y"'


def test_worked_example():
    layer = OneLayer(TEXT, a=(2, 2), b=(2, 3))
    y = layer.forward(a=[[1, 2], [3, 4]], b=[[1, 10, 100], [2, 0, -1]])
    assert y.tolist() == [[[[1, 10, 100], [2, 20, 200]]], [[[6, 0, -3], [8, 0, -4]]]]
    da, db = layer.backward([[[[1, 1, 0], [0, 0, 1]]], [[[1, 2, 3], [4, 5, 6]]]])
    assert da.tolist() == [[11, 100], [2 - 3, 8 - 6]]
    assert db.tolist() == [[1, 1, 2], [3 + 16, 6 + 20, 9 + 24]]


def test_shapes_refused():
    with pytest.raises(ShapeError, match=r"\(N, I\) and \(N, J\)"):
        OneLayer(TEXT, a=(2, 2), b=(3, 2))
    with pytest.raises(ShapeError, match=r"\(N, I\) and \(N, J\)"):
        OneLayer(TEXT, a=(2, 2, 3), b=(2, 2))

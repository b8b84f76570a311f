import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3, 4, 5)]), Case("", [(1, 5, 7)]), Case("", [(3, 2)]), Case("", [(0, 2, 3, 3)])]
TEXT = 'type: "Gram" bottom: "x" top: "y"'


def test_worked_example():
    """Two items of two channels and three places: sums of products, over 2 x 3."""
    layer = OneLayer(TEXT, x=(2, 2, 1, 3))
    y = layer.forward(x=[[[[1, 2, -1]], [[0, -6, 6]]], [[[6, 0, 0]], [[0, 6, 0]]]])
    assert y.tolist() == [[[1, -3], [-3, 12]], [[6, 0], [0, 6]]]
    # dx of channel 0 = (2 dy00 x0 + (dy01 + dy10) x1) / 6, of channel 1 = ((dy01 + dy10) x0 + 2 dy11 x1) / 6
    dx = layer.backward([[[3, 4], [2, 0]], [[0, 0], [6, 3]]])
    assert dx[0].tolist() == [[[1, -4, 5]], [[1, 2, -1]]]
    assert dx[1].tolist() == [[[0, 6, 0]], [[6, 6, 0]]]


def test_channels_are_needed():
    with pytest.raises(ShapeError, match=r"needs a bottom \(N, C, \.\.\.\), but it is \(4,\)"):
        OneLayer(TEXT, x=(4,))

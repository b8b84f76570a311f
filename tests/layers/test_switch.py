import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3, 5)]), Case("", [(13, 2)] * 3)]
TEXT = 'type: "Switch" bottom: "a" bottom: "b" top: "y"'


def test_worked_example():
    layer = OneLayer(TEXT, a=(2,), b=(2,))
    assert layer.forward(a=[1, 2], b=[3, 4]).tolist() == [1, 2]
    layer.layer.select(1)
    assert layer.forward().tolist() == [3, 4]
    da, db = layer.backward([5, 6])
    assert (da.tolist(), db.tolist()) == ([0, 0], [5, 6])


def test_refused():
    with pytest.raises(ShapeError, match="one shape"):
        OneLayer(TEXT, a=(2,), b=(3,))
    with pytest.raises(ShapeError, match="no bottom 2: it has 2"):
        OneLayer(TEXT, a=(2,), b=(2,)).layer.select(2)

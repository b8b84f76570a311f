import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)]), Case(shapes=[(127,)])]


def test_worked_example():
    layer = OneLayer('type: "AbsVal" bottom: "x" top: "y"', x=(3,))
    assert layer.forward(x=[-2, 0, 3]).tolist() == [2, 0, 3]
    assert layer.backward([1, 2, 3]).tolist() == [-1, 0, 3]


def test_not_in_place():
    with pytest.raises(ModelError, match=r"'l' .*in place"):
        OneLayer('type: "AbsVal" bottom: "x" top: "x"', x=(3,))

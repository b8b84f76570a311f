import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError


def test_worked_example():
    layer = OneLayer('type: "Filter" bottom: "x" bottom: "z" bottom: "s" top: "a" top: "b"', x=(3, 2), z=(3,), s=(3, 1))
    a, b = layer.forward(x=[[1, 2], [3, 4], [5, 6]], z=[7, 8, 9], s=[[1], [0], [-0.5]])
    assert (a.tolist(), b.tolist()) == ([[1, 2], [5, 6]], [7, 9])
    dx, dz, ds = layer.backward([[1, 2], [3, 4]], [5, 6])
    assert (dx.tolist(), dz.tolist(), ds.tolist()) == ([[1, 2], [0, 0], [3, 4]], [5, 0, 6], [[0], [0], [0]])


def test_the_number_of_items_changes_from_pass_to_pass():
    layer = OneLayer('type: "Filter" bottom: "x" bottom: "s" top: "y"', x=(3,), s=(3,))
    assert layer.net.blobs["y"].shape == (3,)
    assert layer.forward(x=[1, 2, 3], s=[0, 1, 0]).tolist() == [2]
    assert layer.forward(s=[1, 1, 0]).tolist() == [1, 2]
    assert layer.forward(s=[0, 0, 0]).shape == (0,)
    assert layer.forward(s=[0, 0, 1]).tolist() == [3]


def test_refused():
    with pytest.raises(ModelError, match="one top for each blob"):
        OneLayer('type: "Filter" bottom: "x" bottom: "s" top: "y" top: "z"', x=(3,), s=(3,))
    with pytest.raises(ShapeError, match=r"the selector has 2 items, but 'x' is \(3,\)"):
        OneLayer('type: "Filter" bottom: "x" bottom: "s" top: "y"', x=(3,), s=(2,))
    with pytest.raises(ShapeError, match="the selector must be"):
        OneLayer('type: "Filter" bottom: "x" bottom: "s" top: "y"', x=(3,), s=(3, 2))

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("permute_param { order: 0 order: 2 order: 3 order: 1 }", [(2, 3, 5, 7)]),
    Case("permute_param { order: 1 }", [(13, 3)]),
    Case("", [(2, 3, 1)]),
]


def permute(order, shape):
    options = " ".join(f"order: {axis}" for axis in order)
    return OneLayer(f'type: "Permute" bottom: "x" top: "y" permute_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = permute((0, 2, 3, 1), (1, 2, 2, 3))
    x = np.arange(12).reshape(1, 2, 2, 3)
    y = layer.forward(x=x)
    assert y.shape == (1, 2, 3, 2)
    assert y.ravel().tolist() == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    assert layer.backward(y).tolist() == x.tolist()


def test_axes_that_are_not_named_follow():
    assert permute((2,), (2, 3, 4, 5)).net.blobs["y"].shape == (4, 2, 3, 5)


def test_refused():
    with pytest.raises(ModelError, match="order: 4, but the bottom"):
        permute((0, 4), (1, 2, 3))
    with pytest.raises(ModelError, match="twice"):
        permute((1, 1), (1, 2, 3))

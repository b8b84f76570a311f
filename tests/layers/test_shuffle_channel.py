import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("shuffle_channel_param { group: 3 }", [(2, 6, 5, 7)]),
    Case("shuffle_channel_param { group: 2 }", [(13, 8)]),
    Case("", [(2, 3, 15)]),
]


def shuffle(options, shape):
    return OneLayer(f'type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = shuffle("group: 3", (1, 6, 1, 2))
    x = np.arange(12).reshape(1, 6, 1, 2)
    assert layer.forward(x=x).ravel().tolist() == [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
    assert layer.backward(x).ravel().tolist() == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]


def test_refused():
    with pytest.raises(ShapeError, match="group 4 must divide"):
        shuffle("group: 4", (1, 6))
    with pytest.raises(ModelError, match="at least 1"):
        shuffle("group: 0", (1, 6))

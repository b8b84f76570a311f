import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("reorg_param { stride: 2 }", [(2, 4, 4, 6)]),
    Case("reorg_param { stride: 3 }", [(1, 9, 3, 6)]),
    Case("reorg_param { stride: 2 reverse: true }", [(2, 8, 3, 5)]),
]


def reorg(options, shape):
    return OneLayer(f'type: "Reorg" bottom: "x" top: "y" reorg_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = reorg("stride: 2", (1, 4, 2, 2))
    # read as one channel of 4 rows 0..3, 4..7, ...; even columns of even rows first
    y = layer.forward(x=np.arange(16).reshape(1, 4, 2, 2))
    assert y.shape == (1, 16, 1, 1)
    assert y.ravel().tolist() == [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]
    assert layer.backward(y).ravel().tolist() == list(range(16))


def test_reverse_puts_channels_into_squares():
    layer = reorg("stride: 2 reverse: true", (1, 4, 1, 2))
    y = layer.forward(x=np.arange(8).reshape(1, 4, 1, 2))
    assert y.tolist() == [[[[0, 2, 1, 3], [4, 6, 5, 7]]]]
    assert layer.backward(y).ravel().tolist() == list(range(8))


def test_refused():
    with pytest.raises(ModelError, match="stride"):
        reorg("", (1, 4, 2, 2))
    for shape, text in [((1, 4, 3, 2), "divide the height"), ((1, 3, 2, 2), "divisible by 4"), ((1, 4, 2), "4 axes")]:
        with pytest.raises(ShapeError, match=text):
            reorg("stride: 2", shape)

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(2, 3, 1, 1), (2, 3, 5, 7), (2, 3, 5, 7)]),
    Case("", [(13, 2), (13, 2, 15), (13, 2, 15)]),
    Case("", [(2, 3, 1, 1), (2, 3, 127, 13), (2, 3, 127, 13)]),
]
TEXT = 'type: "Axpy" bottom: "scale" bottom: "x" bottom: "shift" top: "y"'


def test_worked_example():
    shape = (2, 2, 1, 2)
    layer = OneLayer(TEXT, scale=(2, 2), x=shape, shift=shape)
    x, shift = np.arange(8).reshape(shape), 10 * np.arange(8).reshape(shape)
    y = layer.forward(scale=[[1, 2], [3, 4]], x=x, shift=shift)
    assert y.ravel().tolist() == [0, 11, 24, 36, 52, 65, 84, 98]
    dscale, dx, dshift = layer.backward(np.arange(1, 9).reshape(shape))
    assert dscale.tolist() == [[0 * 1 + 1 * 2, 2 * 3 + 3 * 4], [4 * 5 + 5 * 6, 6 * 7 + 7 * 8]]
    assert dx.ravel().tolist() == [1, 2, 6, 8, 15, 18, 28, 32]
    assert dshift.ravel().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("scale", "x", "shift"),
    [((2, 3), (2, 2, 4), (2, 2, 4)), ((2, 2, 2), (2, 2, 4), (2, 2, 4)), ((2, 2), (2, 2, 4), (2, 2, 5))],
)
def test_shapes_refused(scale, x, shift):
    with pytest.raises(ShapeError, match=r"Layer 'l' \(Axpy\).*one scale for each item and channel"):
        OneLayer(TEXT, scale=scale, x=x, shift=shift)

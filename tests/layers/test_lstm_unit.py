import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(shapes=[(1, 3, 5), (1, 3, 20), (1, 3)], inputs={"cont": labels(2)}, batch=False),
    Case(shapes=[(1, 1, 13), (1, 1, 52), (1, 1)], inputs={"cont": 1}, batch=False),
]

TEXT = 'type: "LSTMUnit" bottom: "c0" bottom: "g" bottom: "cont" top: "c" top: "h"'


def test_worked_example():
    layer = OneLayer(TEXT, c0=(1, 2, 1), g=(1, 2, 4), cont=(1, 2))
    # gates at 0: i = f = o = 1/2, g = tanh(ln 3) = 0.8; the second sequence starts anew
    c, h = layer.forward(c0=[[[2], [2]]], g=[[[0, 0, 0, np.log(3)]] * 2], cont=[[1, 0]])
    np.testing.assert_allclose(c, [[[1.4], [0.4]]], rtol=1e-6)
    np.testing.assert_allclose(h, 0.5 * np.tanh([[[1.4], [0.4]]]), rtol=1e-6)
    dc0, dg, dcont = layer.backward([[[1], [1]]], [[[0], [0]]])
    np.testing.assert_allclose(dc0, [[[0.5], [0]]], rtol=1e-6)
    # i: g i (1 - i) = 0.2, f: c0 f (1 - f) = 0.5 or 0, o: 0, g: i (1 - g^2) = 0.18
    np.testing.assert_allclose(dg, [[[0.2, 0.5, 0, 0.18], [0.2, 0, 0, 0.18]]], rtol=1e-5, atol=1e-7)
    assert not dcont.any()


def test_gradient_of_h():
    layer = OneLayer(TEXT, c0=(1, 1, 1), g=(1, 1, 4), cont=(1, 1))
    layer.forward(c0=0, g=[[[0, 0, 0, 0]]], cont=1)  # c = 0, so h = o c near there
    dc0, dg, _ = layer.backward(0, 4)
    assert dc0.item() == 1
    assert dg.ravel().tolist() == [0, 0, 0, 1]


def test_refused():
    with pytest.raises(ShapeError, match="needs bottoms"):
        OneLayer(TEXT, c0=(1, 2, 1), g=(1, 2, 3), cont=(1, 2))

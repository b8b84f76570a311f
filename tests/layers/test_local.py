import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("local_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 }", [(2, 3, 5, 7)]),
    Case("local_param { num_output: 2 kernel_size: 2 bias_term: false }", [(2, 3, 4, 3)]),
]


def local(options, shape):
    return OneLayer(f'type: "Local" bottom: "x" top: "y" local_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = local("num_output: 1 kernel_size: 2", (1, 1, 2, 4))
    assert layer.param(0).shape == (1, 1, 4, 3)
    weight = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 1]]).reshape(1, 1, 4, 3)
    y = layer.forward(x=image([1, 2, 3, 4], [5, 6, 7, 8]), p0=weight, p1=np.array([10, 20, 30]).reshape(1, 1, 1, 3))
    assert y.tolist() == image([1 + 6 + 10, 2 * 3 + 7 + 20, 3 * 7 + 8 + 30]).tolist()
    dx = layer.backward(image([1, 10, 100]))
    assert dx.tolist() == image([1, 0, 20, 0], [0, 1, 310, 100]).tolist()
    want = [[1, 20, 300], [2, 30, 400], [5, 60, 700], [6, 70, 800]]
    assert layer.param(0).diff[0, 0].tolist() == want
    assert layer.param(1).diff.ravel().tolist() == [1, 10, 100]


def test_equal_weights_are_a_convolution():
    rng = np.random.default_rng(0)
    x, filters = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 3, 3))
    layer = local("num_output: 4 kernel_size: 3 stride: 2 pad: 1 bias_term: false", x.shape)
    y = layer.forward(x=x, p0=np.repeat(filters.reshape(4, 1, 27, 1), 9, axis=3))
    text = "num_output: 4 kernel_size: 3 stride: 2 pad: 1 bias_term: false"
    conv = OneLayer(f'type: "Convolution" bottom: "x" top: "y" convolution_param {{ {text} }}', x=x.shape)
    np.testing.assert_allclose(y, conv.forward(x=x, p0=filters), rtol=1e-5, atol=1e-5)


def test_refused():
    with pytest.raises(ModelError, match="needs num_output"):
        local("num_output: 1", (1, 1, 2, 4))
    with pytest.raises(ShapeError, match="kernel of 5x5"):
        local("num_output: 1 kernel_size: 5", (1, 1, 2, 4))
    layer = local("num_output: 1 kernel_size: 2", (1, 1, 2, 4))
    layer.net.blobs["x"].reshape(1, 1, 3, 4)
    with pytest.raises(ShapeError, match="the weights are for images of"):
        layer.forward()

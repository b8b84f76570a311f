import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("inner_product_param { num_output: 7 }", [(4, 13)]),
    Case("inner_product_param { num_output: 5 bias_term: false }", [(2, 3, 5, 3)]),
    Case("inner_product_param { num_output: 15 axis: 2 }", [(2, 3, 4, 5)]),
    Case("inner_product_param { num_output: 127 transpose: true }", [(3, 15)]),
]


def inner_product(options, shape):
    return OneLayer(f'type: "InnerProduct" bottom: "x" top: "y" inner_product_param {{ {options} }}', x=shape)


@pytest.mark.parametrize("transpose", [False, True])
def test_worked_example(transpose):
    layer = inner_product(f"num_output: 2 transpose: {str(transpose).lower()}", (2, 3))
    weight, dweight = np.array([[1, 0, 2], [0, 1, -1]]), np.array([[1, 2, 3], [40, 50, 60]])
    assert layer.param(0).shape == ((3, 2) if transpose else (2, 3))
    y = layer.forward(x=[[1, 2, 3], [4, 5, 6]], p0=weight.T if transpose else weight, p1=[10, 20])
    assert y.tolist() == [[17, 19], [26, 19]]
    dx = layer.backward([[1, 0], [0, 10]])
    assert dx.tolist() == [[1, 0, 2], [0, 10, -10]]
    assert layer.param(0).diff.tolist() == (dweight.T if transpose else dweight).tolist()
    assert layer.param(1).diff.tolist() == [1, 10]


def test_axis_keeps_the_axes_before():
    layer = inner_product("num_output: 1 axis: -1 bias_term: false", (2, 2, 2))
    assert layer.forward(x=np.arange(8).reshape(2, 2, 2), p0=[[1, 10]]).tolist() == [[[10], [32]], [[54], [76]]]


def test_gradients_are_added():
    layer = inner_product("num_output: 1", (1, 1))
    layer.forward(x=3, p0=2)
    layer.backward(1)
    layer.backward(1)
    assert layer.param(0).diff.tolist() == [[6]]
    assert layer.param(1).diff.tolist() == [2]


def test_refused():
    with pytest.raises(ModelError, match=r"Layer 'l' \(InnerProduct\): num_output"):
        inner_product("", (1, 2))
    layer = inner_product("num_output: 1", (1, 2))
    layer.net.blobs["x"].reshape(1, 3)
    with pytest.raises(ShapeError, match="weights are for 2 inputs"):
        layer.forward()

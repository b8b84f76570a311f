import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case("parameter_param { shape { dim: 2 dim: 3 } }"), Case("parameter_param { shape { } }")]


def test_worked_example():
    layer = OneLayer('type: "Parameter" top: "y" parameter_param { shape { dim: 2 dim: 1 } }')
    assert layer.forward().tolist() == [[0], [0]]
    assert layer.forward(p0=[[3], [4]]).tolist() == [[3], [4]]
    layer.backward([[1], [2]])
    layer.backward([[1], [2]])
    assert layer.param(0).diff.tolist() == [[2], [4]]


def test_shape_is_required():
    with pytest.raises(ModelError, match="needs parameter_param"):
        OneLayer('type: "Parameter" top: "y"')

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(2, 3, 5, 7), (2, 1, 5, 7)]),
    Case("", [(13, 4), (13,)]),
    Case("channel_scale_param { do_backward_feature: false }", [(2, 3, 5), (2, 5)], differentiable=False),
    Case("channel_scale_param { do_backward_scale: false }", [(2, 3, 5), (2, 5)], differentiable=False),
    Case("", [(1, 2, 33, 35), (1, 1, 33, 35)], differentiable=False, batch=False),  # more places than a kernel's block
    Case("channel_scale_param { do_forward: false }", [(2, 3, 5), (2, 5)]),
]


def scaled(options="", **shapes):
    text = f'type: "ChannelScale" bottom: "x" bottom: "scale" top: "y" channel_scale_param {{ {options} }}'
    return OneLayer(text, **shapes)


def test_worked_example():
    layer = scaled(x=(1, 2, 1, 3), scale=(1, 1, 1, 3))
    y = layer.forward(x=np.array([[[[1, 2, 3]], [[4, 5, 6]]]]), scale=[[[[1, 10, 100]]]])
    assert y.ravel().tolist() == [1, 20, 300, 4, 50, 600]
    dx, dscale = layer.backward(np.array([[[[1, 1, 2]], [[1, 0, 1]]]]))
    assert dx.ravel().tolist() == [1, 10, 200, 1, 0, 100]
    assert dscale.ravel().tolist() == [5, 2, 12]


def test_refused():
    with pytest.raises(ModelError, match="global_scale"):
        scaled("global_scale: true", x=(1, 2), scale=(1,))
    with pytest.raises(ShapeError, match="one scale for each item and place"):
        scaled(x=(1, 2, 3), scale=(1, 2))

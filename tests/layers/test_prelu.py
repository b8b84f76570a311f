import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case(shapes=[(3, 127)]),
    Case("prelu_param { channel_shared: true }", [(2, 3, 5, 7)]),
    Case(shapes=[(2, 4, 2, 3, 2)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "PReLU" bottom: "x" top: "{top}"', x=(2, 2))
    assert layer.param(0).data.tolist() == [0.25, 0.25]
    y = layer.forward(x=[[-4, -4], [2, -2]], p0=[0.5, 0.25])
    assert y.tolist() == [[-2, -1], [2, -0.5]]
    assert layer.backward([[1, 2], [3, 4]]).tolist() == [[0.5, 0.5], [3, 1]]
    assert layer.param(0).diff.tolist() == [-4, -16]


def test_shared_slope():
    layer = OneLayer('type: "PReLU" bottom: "x" top: "y" prelu_param { channel_shared: true }', x=(1, 2))
    assert layer.param(0).shape == ()
    layer.forward(x=[[-4, -2]])
    layer.backward([[1, 2]])
    assert layer.param(0).diff == -8


def test_shapes_refused():
    with pytest.raises(ShapeError, match="2 axes"):
        OneLayer('type: "PReLU" bottom: "x" top: "y"', x=(3,))
    layer = OneLayer('type: "PReLU" bottom: "x" top: "y"', x=(1, 3))
    layer.net.blobs["x"].reshape(1, 4)
    with pytest.raises(ShapeError, match="3 channels"):
        layer.forward()

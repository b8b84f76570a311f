import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("reshape_param { shape { dim: 0 dim: -1 dim: 7 } }", [(2, 3, 5, 7)]),
    Case("reshape_param { shape { dim: 1 } axis: 2 num_axes: 0 }", [(2, 3, 5)]),
]


def reshape(options, shape=(2, 3, 4)):
    return OneLayer(f'type: "Reshape" bottom: "x" top: "y" reshape_param {{ {options} }}', x=shape)


@pytest.mark.parametrize(
    ("options", "top"),
    [
        ("shape { dim: 0 dim: -1 }", (2, 12)),
        ("shape { dim: 4 dim: 6 }", (4, 6)),
        ("shape { dim: -1 } axis: 1", (2, 12)),
        ("shape { dim: 1 dim: 3 } axis: 1 num_axes: 1", (2, 1, 3, 4)),
        ("shape { dim: 1 } axis: -1 num_axes: 0", (2, 3, 4, 1)),
        ("shape { dim: 0 dim: 0 dim: -1 dim: 1 }", (2, 3, 4, 1)),
        ("", ()),
    ],
)
def test_worked_examples(options, top):
    layer = reshape(options, (2, 3, 4) if top else (1,))
    y = layer.forward(x=np.arange(layer.net.blobs["x"].count).reshape(layer.net.blobs["x"].shape))
    assert y.shape == top
    assert y.ravel().tolist() == list(range(y.size))
    assert layer.backward(y).ravel().tolist() == list(range(y.size))


def test_follows_the_bottom():
    layer = reshape("shape { dim: 0 dim: -1 }")
    layer.net.blobs["x"].reshape(5, 3, 4)
    assert layer.forward(x=1).shape == (5, 12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("shape { dim: -1 dim: -1 }", ModelError, "more than one -1"),
        ("shape { dim: -2 }", ModelError, "below -1"),
        ("shape { dim: 1 } axis: 5", ModelError, "leave the 3 axes"),
        ("shape { dim: 1 } axis: 2 num_axes: 2", ModelError, "leave the 3 axes"),
        ("shape { dim: 2 dim: 3 dim: 4 dim: 0 }", ModelError, "no axis of"),
        ("shape { dim: 5 dim: -1 }", ShapeError, "5 does not divide"),
        ("shape { dim: 5 dim: 5 }", ShapeError, "another number"),
    ],
)
def test_refused(options, error, message):
    with pytest.raises(error, match=message):
        reshape(options)

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(4, 5), (4, 5, 1, 1)]),
    Case("smooth_l1_loss_param { sigma: 3 }", [(2, 3, 4, 5)] * 3),
    Case("smooth_l1_loss_param { sigma: 0.5 } loss_weight: 2", [(3, 8)] * 4),
]


def loss(options="", bottoms=2, **shapes):
    names = ["x", "t", "i", "o"][:bottoms]
    text = " ".join(f'bottom: "{n}"' for n in names)
    return OneLayer(f'type: "SmoothL1Loss" {text} top: "loss" {options}', **dict.fromkeys(names, (2, 3)) | shapes)


def test_worked_example():
    layer = loss("smooth_l1_loss_param { sigma: 2 }", 4)
    x, t = [[0.125, -1, 2], [3, 0, 0]], [[0, 0, 0], [1, 0.5, 0]]
    inside, outside = [[1, 1, 0.5], [0, 1, 1]], [[1, 2, 3], [4, 8, 0]]
    # differences 0.125, -1, 1; 0, -0.5, 0: quadratic below 1 / 4, 2 d^2; else |d| - 1 / 8
    value = layer.forward(x=x, t=t, i=inside, o=outside)
    assert value == (0.03125 + 2 * 0.875 + 3 * 0.875 + 8 * 0.375) / 2
    dx, dt, di, do = layer.backward(4)
    assert dx.tolist() == [[1, -4, 3], [0, -16, 0]]
    assert dt.tolist() == (-dx).tolist()
    assert not np.any([di, do])


def test_without_factors():
    layer = loss()
    assert layer.forward(x=[[0.5, 2, -3], [0, 0, 0]], t=0) == (0.125 + 1.5 + 2.5) / 2
    assert layer.backward(2)[0].tolist() == [[0.5, 1, -1], [0, 0, 0]]


def test_refused():
    with pytest.raises(ShapeError, match=r"one shape, but 'x' is \(2, 3\) and 'i' \(2, 1\)"):
        loss(bottoms=3, i=(2, 1))
    with pytest.raises(ModelError, match="sigma must be above 0, not 0"):
        loss("smooth_l1_loss_param { sigma: 0 }")
    assert np.isfinite(loss(x=(2, 3, 1, 1)).forward(x=1, t=0))

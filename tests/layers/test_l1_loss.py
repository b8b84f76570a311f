import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(2, 3, 5), (2, 3, 5)]),
    Case("", [(2, 3, 5), (2, 3, 5), (2,)]),
    Case("", [(2, 3), (2, 3), (2, 3)]),
    Case("l1_loss_param { }", [(2, 3, 5)], special=False),
    Case("l1_loss_param { l2_per_location: true }", [(2, 3, 5), (2, 3, 5)], special=False),
    Case(
        "l1_loss_param { l2_per_location: true l2_prescale_by_channels: true normalize_by_num_entries: true }",
        [(2, 3, 5)],
        special=False,
    ),
]


def l1(options, **shapes):
    bottoms = " ".join(f'bottom: "{name}"' for name in shapes)
    return OneLayer(f'type: "L1Loss" {bottoms} top: "loss" {options}', **shapes)


def test_worked_example():
    layer = l1("", a=(2, 3), b=(2, 3))
    assert layer.forward(a=[[1, 2, 3], [4, 5, 6]], b=[[1, 0, 5], [0, 5, 7]]) == (0 + 2 + 2 + 4 + 0 + 1) / 2
    da, db = layer.backward(2)
    assert da.tolist() == [[0, 1, -1], [1, 0, -1]]
    assert db.tolist() == [[0, -1, 1], [-1, 0, 1]]


def test_weights_of_items():
    layer = l1("", a=(2, 3), b=(2, 3), w=(2,))
    assert layer.forward(a=[[1, 2, 3], [4, 5, 6]], b=[[1, 0, 5], [0, 5, 7]], w=[3, 0.5]) == (3 * 4 + 0.5 * 5) / 2
    da, db = layer.backward(2)[:2]
    assert da.tolist() == [[0, 3, -3], [0.5, 0, -0.5]]
    assert db.tolist() == [[0, -3, 3], [-0.5, 0, 0.5]]
    with pytest.raises(ModelError, match="takes no weights with l1_loss_param"):
        l1("l1_loss_param { }", a=(2, 3), b=(2, 3), w=(2,))


def test_flow_worked_example():
    layer = l1("l1_loss_param { l2_per_location: true epsilon: 0 normalize_by_num_entries: true }", a=(1, 2, 3))
    nan = np.nan
    loss = layer.forward(a=[[[3, 6, nan], [4, 8, nan]]])
    assert loss == (5 + 10) / 2
    assert np.allclose(layer.layer.options["epsilon"], 0)
    layer = l1("l1_loss_param { l2_per_location: true epsilon: 11 }", a=(1, 2, 2), b=(1, 2, 2))
    loss = layer.forward(a=[[[4, 1], [4, 1]]], b=[[[1, 1], [0, 6]]])  # sqrt(25 + 11), sqrt(25 + 11)
    assert loss == 12
    da, db = layer.backward(6)
    np.testing.assert_allclose(da, [[[3, 0], [4, -5]]], rtol=1e-6)
    np.testing.assert_allclose(db, [[[-3, 0], [-4, 5]]], rtol=1e-6)


def test_refused():
    with pytest.raises(ModelError, match="needs two bottoms"):
        l1("", a=(2, 3))
    with pytest.raises(ShapeError, match="same number of values"):
        l1("", a=(2, 3), b=(2, 4))
    with pytest.raises(ModelError, match="plateau"):
        l1("l1_loss_param { plateau: 1 }", a=(2, 3))
    with pytest.raises(ShapeError, match="l2_per_location needs"):
        l1("l1_loss_param { l2_per_location: true }", a=(2,))

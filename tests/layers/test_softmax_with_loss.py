import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.testing import Case, labels

FIVE = {"label": labels(5)}
CONTRACT = [
    Case(shapes=[(4, 5), (4,)], inputs=FIVE),
    Case(shapes=[(4, 5), (4, 1, 1, 1)], inputs=FIVE),
    Case("loss_weight: 2 loss_param { ignore_label: 1 }", [(2, 5, 3, 7), (2, 3, 7)], inputs=FIVE, tops=1),
    Case(shapes=[(2, 5, 13), (2, 13)], inputs=FIVE, tops=2),
    Case("softmax_param { axis: 2 }", [(2, 3, 5), (2, 3)], inputs=FIVE, tops=2),
    *(
        Case(f"loss_param {{ ignore_label: 0 normalization: {mode} }}", [(3, 5, 7), (3, 7)], inputs=FIVE)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ),
]


def loss(options, shape=(2, 2, 2), label=(2, 2), tops='top: "loss"'):
    return OneLayer(f'type: "SoftmaxWithLoss" bottom: "x" bottom: "l" {tops} {options}', x=shape, l=label)


def test_worked_example():
    layer = loss("", (2, 2), (2,), 'top: "loss" top: "prob"')
    value, prob = layer.forward(x=[[0, np.log(3)], [0, 0]], l=[1, 0])
    np.testing.assert_allclose(prob, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(value, -np.log(0.75 * 0.5) / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["x"].diff, [[0.125, -0.125], [-0.25, 0.25]], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: true", 3),
        ("normalize: false", 2),
        ("normalize: false normalization: FULL", 4),
    ],
)
def test_divisor(options, divisor):
    layer = loss(f"loss_weight: 6 loss_param {{ ignore_label: 7 {options} }}")
    value = layer.forward(x=0, l=[[0, 1], [7, 1]])
    np.testing.assert_allclose(value, 3 * np.log(2) / divisor, rtol=1e-6)
    layer.net.backward()
    gradient = np.array([[[-3, 3], [3, -3]], [[0, 3], [0, -3]]]) / divisor
    np.testing.assert_allclose(layer.net.blobs["x"].diff, gradient, rtol=1e-6)


def test_everything_ignored():
    layer = loss("loss_param { ignore_label: 7 }")
    assert layer.forward(x=1, l=7) == 0
    layer.net.backward()
    assert not layer.net.blobs["x"].diff.any()


def test_a_loss_has_a_largest_value_and_labels_are_cut():
    layer = loss("", (1, 2), (1,))
    np.testing.assert_allclose(layer.forward(x=[[0, 1000]], l=[0.9]), 87.33654, rtol=1e-6)


def test_gradient_through_the_second_top():
    layer = loss("loss_weight: 0 loss_weight: 0", (1, 2), (1,), 'top: "loss" top: "prob"')
    layer.forward(x=[[0, np.log(3)]], l=[0])
    dx = layer.backward(0, [[16, 0]])[0]
    np.testing.assert_allclose(dx, [[3, -3]], rtol=1e-5)


@pytest.mark.parametrize(("label", "item"), [([[0, 1], [1, 5]], 1), ([[-1, 0], [0, 9]], 0), ([[0, np.nan], [1, 1]], 0)])
def test_label_refused(label, item):
    with pytest.raises(LabelError, match=rf"'l' .*item {item} .*must be 0 \.\. 1: there are 2 classes") as caught:
        loss("").forward(x=0, l=label)
    assert caught.value.item == item


def test_shapes_and_options_refused():
    with pytest.raises(ShapeError, match=r"one label for each of \(2, 2\), but 'l' is \(2, 3\)"):
        loss("", label=(2, 3))
    with pytest.raises(ShapeError, match="same number of items"):
        loss("", label=(4,))
    with pytest.raises(ModelError, match="normalization: PRE_FIXED"):
        loss("loss_param { normalization: PRE_FIXED }")

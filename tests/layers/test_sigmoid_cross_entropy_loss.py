import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case, labels

BITS = {"target": labels(2)}
WEIGHTS = {"weight": lambda generator, shape: generator.random(shape)}
CONTRACT = [
    Case(shapes=[(4, 5), (4, 5)], inputs=BITS),
    Case(shapes=[(3, 2, 7), (3, 14)], inputs={"target": lambda generator, shape: generator.random(shape)}),
    *(
        Case(f"loss_param {{ ignore_label: 0 normalization: {mode} }}", [(3, 13), (3, 13)], inputs=BITS)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ),
    Case("loss_param { class_weight: 0.5 class_weight: 3 }", [(3, 4), (3, 4)], inputs=BITS),
    Case("loss_param { ignore_label: 1 normalization: VALID }", [(3, 4), (3, 4), (3, 1)], inputs=BITS | WEIGHTS),
    Case("loss_param { class_weight: 1 class_weight: 2 }", [(3, 4), (3, 4), (3, 4)], inputs=BITS | WEIGHTS),
]


def loss(options, shape=(2, 2)):
    return OneLayer(f'type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "loss" {options}', x=shape, t=(2, 2))


def test_worked_example():
    layer = loss("")
    value = layer.forward(x=[[0, np.log(3)], [-np.log(3), 1000]], t=[[1, 1], [0.5, 1]])
    expected = np.log(2) + np.log(4 / 3) + (np.log(4) + np.log(4 / 3)) / 2
    np.testing.assert_allclose(value, expected / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["x"].diff, [[-0.25, -0.125], [-0.125, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 2),
        ("normalization: FULL", 4),
        ("normalization: VALID", 3),
        ("normalization: NONE", 1),
        ("normalize: true", 3),
        ("normalize: false", 2),
    ],
)
def test_divisor(options, divisor):
    layer = loss(f"loss_param {{ ignore_label: -1 {options} }}")
    np.testing.assert_allclose(layer.forward(x=0, t=[[0, 1], [-1, 1]]), 3 * np.log(2) / divisor, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["x"].diff * divisor, [[0.5, -0.5], [0, -0.5]], rtol=1e-6)


def test_shapes_refused():
    with pytest.raises(ShapeError, match="one target for each value"):
        loss("", (2, 3))


def test_class_weights_are_of_the_targets_0_and_1():
    layer = loss("loss_param { class_weight: 3 class_weight: 5 normalization: VALID }")
    value = layer.forward(x=0, t=[[1, 0], [0.5, 1]])
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)  # the weights are divided out again
    layer = loss("loss_param { class_weight: 3 class_weight: 5 normalization: NONE }")
    np.testing.assert_allclose(layer.forward(x=0, t=[[1, 0], [0.5, 1]]), np.log(2) * (5 + 3 + 4 + 5), rtol=1e-6)
    with pytest.raises(ShapeError, match="3 class weights, but there are 2 classes"):
        loss("loss_param { class_weight: [1, 2, 3] }")


def test_weights_of_items():
    layer = OneLayer(
        'type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" bottom: "w" top: "loss"', x=(2, 2), t=(2, 2), w=(2,)
    )
    np.testing.assert_allclose(layer.forward(x=0, t=0, w=[3, 4]), np.log(2) * 14 / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["x"].diff, [[0.75, 0.75], [1, 1]], rtol=1e-6)


@pytest.mark.parametrize("kernels", [False, True])
def test_a_fixed_divisor(kernels):
    text = 'type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l"'
    text += " loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 4 }"
    layer = OneLayer(text, kernels=kernels, x=(2, 3), t=(2, 3))
    np.testing.assert_allclose(layer.forward(x=0, t=1), 6 * np.log(2) / 4, rtol=1e-6)
    np.testing.assert_allclose(layer.backward(4)[0], np.full((2, 3), -0.5), rtol=1e-6)

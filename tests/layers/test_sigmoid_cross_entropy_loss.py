import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case, labels

BITS = {"target": labels(2)}
CONTRACT = [
    Case(shapes=[(4, 5), (4, 5)], inputs=BITS),
    Case(shapes=[(3, 2, 7), (3, 14)], inputs={"target": lambda generator, shape: generator.random(shape)}),
    *(
        Case(f"loss_param {{ ignore_label: 0 normalization: {mode} }}", [(3, 13), (3, 13)], inputs=BITS)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ),
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

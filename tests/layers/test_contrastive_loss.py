import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case, labels

BITS = {"similar": labels(2)}
CONTRACT = [
    Case("contrastive_loss_param { margin: 4 }", [(8, 4), (8, 4), (8,)], inputs=BITS, tolerance=1e-3),
    Case("contrastive_loss_param { margin: 20 legacy_version: true }", [(13, 7), (13, 7), (13, 1)], inputs=BITS),
    Case(
        "contrastive_loss_param { margin: 4 } loss_param { class_weight: [0.5, 3] }",
        [(8, 4), (8, 4), (8,), (8,)],
        inputs=BITS,
        tolerance=1e-3,
    ),
]


@pytest.mark.parametrize(
    ("legacy", "value", "apart"), [("false", (25 + 6.25) / 4, [-0.75, -1]), ("true", 25 / 4, [0, 0])]
)
def test_worked_example(legacy, value, apart):
    layer = OneLayer(
        'type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" top: "loss"'
        f" contrastive_loss_param {{ margin: 7.5 legacy_version: {legacy} }}",
        a=(2, 2),
        b=(2, 2),
        s=(2,),
    )
    # the first pair is similar: 25; the second not, 5 apart: (7.5 - 5)^2, or max(0, 7.5 - 25)
    got = layer.forward(a=[[3, 4], [3, 4]], b=0, s=[1, 0])
    np.testing.assert_allclose(got, value, rtol=1e-6)
    layer.net.backward()
    a, b = (layer.net.blobs[name].diff for name in "ab")
    np.testing.assert_allclose(a[0], [1.5, 2], rtol=1e-6)
    np.testing.assert_allclose(a[1], apart, rtol=1e-4)
    np.testing.assert_array_equal(b, -a)


def test_weights_of_classes_and_pairs():
    layer = OneLayer(
        'type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" bottom: "w" top: "loss"'
        " contrastive_loss_param { margin: 7.5 } loss_param { class_weight: [8, 0.5] }",
        a=(2, 2),
        b=(2, 2),
        s=(2,),
        w=(2,),
    )
    # as above: 25 for the similar pair, 6.25 for the other; weights 0.5 * 4 and 8 * 0.25
    got = layer.forward(a=[[3, 4], [3, 4]], b=0, s=[1, 0], w=[4, 0.25])
    np.testing.assert_allclose(got, (2 * 25 + 2 * 6.25) / 4, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["a"].diff, [[3, 4], [-1.5, -2]], rtol=1e-4)


def test_shapes_refused():
    text = 'type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" top: "loss"'
    with pytest.raises(ShapeError, match="must have one shape"):
        OneLayer(text, a=(2, 2), b=(2, 3), s=(2,))
    with pytest.raises(ShapeError, match="one number for each of the 2 items, but 's'"):
        OneLayer(text, a=(2, 2), b=(2, 2), s=(2, 2))

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError
from caffelike.testing import Case, labels, positive

CONTRACT = [
    Case(shapes=[(4, 5), (4,)], inputs={"p": positive, "label": labels(5)}),
    Case("loss_weight: 2", [(3, 7, 1, 1), (3, 1, 1, 1)], inputs={"p": positive, "label": labels(7)}),
    Case(
        "loss_param { class_weight: [2, 0, 0.5] }", [(5, 3), (5,), (5, 1)], inputs={"p": positive, "label": labels(3)}
    ),
]


def test_worked_example():
    layer = OneLayer('type: "MultinomialLogisticLoss" bottom: "p" bottom: "l" top: "loss"', p=(2, 2), l=(2,))
    value = layer.forward(p=[[0.25, 0.75], [0, 1]], l=[1, 0])
    np.testing.assert_allclose(value, -(np.log(0.75) + np.log(1e-20)) / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["p"].diff, [[0, -0.5 / 0.75], [-0.5e20, 0]], rtol=1e-6)


def test_weights_of_classes_and_items():
    layer = OneLayer(
        'type: "MultinomialLogisticLoss" bottom: "p" bottom: "l" bottom: "w" top: "loss"'
        " loss_param { class_weight: [3, 0.5] }",
        p=(2, 2),
        l=(2,),
        w=(2,),
    )
    value = layer.forward(p=[[0.25, 0.75], [0.5, 0.5]], l=[1, 0], w=[4, 1])
    np.testing.assert_allclose(value, -(2 * np.log(0.75) + 3 * np.log(0.5)) / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["p"].diff, [[0, -1 / 0.75], [-1.5 / 0.5, 0]], rtol=1e-6)


def test_label_refused():
    layer = OneLayer('type: "MultinomialLogisticLoss" bottom: "p" bottom: "l" top: "loss"', p=(2, 2), l=(2,))
    with pytest.raises(LabelError, match=r"must be 0 \.\. 1"):
        layer.forward(p=0.5, l=[0, -1])

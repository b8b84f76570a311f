import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError
from caffelike.testing import Case, labels

FIVE = {"label": labels(5)}
CONTRACT = [
    Case(shapes=[(4, 5), (4,)], inputs=FIVE, tops=1),
    Case("loss_param { ignore_label: 1 }", [(2, 5, 3, 7), (2, 1, 3, 7)], inputs=FIVE, tops=1),
    Case("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 7 }", [(3, 5), (3, 1)], inputs=FIVE, tops=1),
    # the gradient of the second and third top is left out, as in the fork
    Case("loss_param { normalization: NONE }", [(3, 5), (3, 1)], inputs=FIVE, tops=3, differentiable=False),
    Case("softmax_param { axis: 2 }", [(2, 3, 5), (2, 3)], inputs=FIVE, tops=1),
]


def loss(options=""):
    tops = 'top: "l" top: "p" top: "e"'
    return OneLayer(f'type: "SoftmaxWithLossOHEM" bottom: "x" bottom: "t" {tops} {options}', x=(4, 2), t=(4, 1, 1, 1))


def test_worked_example():
    layer = loss("loss_param { ignore_label: -1 }")
    x = np.log([[1, 3], [1, 1], [4, 1], [1, 7]])
    value, prob, each = layer.forward(x=x, t=np.reshape([1, 0, -1, 0], (4, 1, 1, 1)))
    want = [[0.25, 0.75], [0.5, 0.5], [0.8, 0.2], [0.125, 0.875]]
    np.testing.assert_allclose(prob, want, rtol=1e-6)
    np.testing.assert_allclose(each.ravel(), [np.log(4 / 3), np.log(2), 0, np.log(8)], rtol=1e-6)
    np.testing.assert_allclose(value, np.log(64 / 3) / 3, rtol=1e-6)
    dx, dt = layer.backward(3, np.ones((4, 2)), np.ones((4, 1, 1, 1)))
    np.testing.assert_allclose(dx, [[0.25, -0.25], [-0.5, 0.5], [0, 0], [-0.875, 0.875]], rtol=1e-6)
    assert not dt.any()


def test_a_label_that_is_no_class():
    with pytest.raises(LabelError, match="there are 2 classes"):
        loss().forward(t=2)

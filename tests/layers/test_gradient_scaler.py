import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError
from caffelike.testing import Case

SAME = "gradient_scaler_param { lower_bound: %s upper_bound: %s alpha: 10 max_iter: 1 }"
CONTRACT = [
    Case(SAME.replace("%s", "0.5"), [(2, 3, 7)], differentiable=False),
    Case(SAME.replace("%s", "-1"), [(13, 2)]),  # turned round twice: the derivative
]
TEXT = 'type: "GradientScaler" bottom: "x" top: "y" gradient_scaler_param { lower_bound: 1 upper_bound: 3 alpha: 2'


def test_worked_example():
    layer = OneLayer(f"{TEXT} max_iter: 4 }}", x=(4,))
    assert layer.forward(x=[5, -3, 0, 0.5]).tolist() == [5, -3, 0, 0.5]
    # c = 4 / (1 + exp(-2 t)) - 2 + 1 at t = 0, 1/4, 1/2, 3/4, 1, 1
    for want in (1, 1.4898375, 1.9242343, 2.2702963, 2.5231884, 2.5231884):
        np.testing.assert_allclose(layer.backward([1, -2, 0.5, 4]), [-want, 2 * want, -want / 2, -4 * want], rtol=1e-6)
        layer.forward()


def test_counts_training_passes_and_goes_on_after_a_resume():
    layer = OneLayer(f"{TEXT} max_iter: 4 }}", x=(2,))
    layer.forward()
    layer.forward()
    other = OneLayer(f"{TEXT} max_iter: 4 }}", x=(2,))
    other.layer.restore(layer.layer.state())
    np.testing.assert_array_equal(other.backward([1, 1]), layer.backward([1, 1]))
    test = OneLayer(f"{TEXT} max_iter: 4 }}", caffelike.TEST, x=(2,))
    test.forward()
    assert test.layer.state() == {"passes": 0}


def test_options_refused():
    with pytest.raises(ModelError, match="max_iter 0 >= 1 must hold"):
        OneLayer(f"{TEXT} }}", x=(2,))

import numpy as np
import pytest
from one_layer import OneLayer, image

import caffelike
from caffelike.errors import ModelError
from caffelike.testing import Case, away_from_zero

CONTRACT = [
    Case("", [(2, 3, 7)], inputs={"x": away_from_zero}),
    Case("insanity_param { lb: 2 ub: 4 }", [(13, 5)], phase=1, inputs={"x": away_from_zero}),
]


def test_worked_example():
    text = 'type: "Insanity" bottom: "x" top: "y" insanity_param { lb: 2 ub: 4 }'
    layer = OneLayer(text, caffelike.TEST, x=(1, 1, 1, 3))
    y = layer.forward(x=image([3, 0, -2]))
    np.testing.assert_allclose(y.ravel(), [3, 0, -np.log(2)], rtol=1e-6)  # u = 2 / ln 2
    np.testing.assert_allclose(layer.backward(image([1, 2, 2])).ravel(), [1, np.log(2), np.log(2)], rtol=1e-6)
    layer = OneLayer(text, x=(5000,))
    y = layer.forward(x=-8)
    assert y.min() >= -4
    assert y.max() <= -2
    assert np.unique(y).size > 4900
    assert abs(y.mean() + 8 * np.log(2) / 2) < 0.02
    np.testing.assert_allclose(layer.backward(-8 * np.ones(5000)), y, rtol=1e-6)


def test_options_refused():
    with pytest.raises(ModelError, match="0 < lb < ub"):
        OneLayer('type: "Insanity" bottom: "x" top: "y" insanity_param { lb: 4 ub: 4 }', x=(2,))

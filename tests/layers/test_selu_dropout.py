import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("selu_dropout_param { dropout_ratio: 0.25 }", [(2, 3, 7)]),
    Case("", [(13, 5)], phase=1),
]
DROPPED = -1.7580993408473766


def test_worked_example():
    text = 'type: "SeLuDropout" bottom: "x" top: "y" selu_dropout_param { dropout_ratio: 0.5 }'
    layer = OneLayer(text, x=(2000,))
    x = np.linspace(-1, 1, 2000)
    y = layer.forward(x=x)
    # q = p = 1/2, d^2 = 3.0909133: a = 1 / sqrt(0.5 * 2.5454567) = 0.8864054, b = a * 1.7580993 / 2 = 0.7791946
    kept = np.abs(y - (0.8864054 * x + 0.7791946)) < 1e-5
    np.testing.assert_allclose(y[~kept], -0.7791946, atol=1e-5)
    assert 0.45 < kept.mean() < 0.55
    np.testing.assert_allclose(layer.backward(np.ones(2000)), np.where(kept, 0.8864054, 0), rtol=1e-6)
    test = OneLayer(text, caffelike.TEST, x=(2000,))
    assert test.forward(x=x).tolist() == x.astype(np.float32).tolist()


def test_keeps_mean_and_variance():
    layer = OneLayer('type: "SeLuDropout" bottom: "x" top: "y" selu_dropout_param { dropout_ratio: 0.1 }', x=(200_000,))
    y = layer.forward(x=np.random.default_rng(0).standard_normal(200_000))
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02


def test_options_refused():
    with pytest.raises(ModelError, match="less than 1"):
        OneLayer('type: "SeLuDropout" bottom: "x" top: "y" selu_dropout_param { dropout_ratio: 1 }', x=(2,))

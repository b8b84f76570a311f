import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.testing import Case, away_from_zero

CONTRACT = [Case("", [(2, 3, 7)], inputs={"x": away_from_zero}), Case("", [(13,)], inputs={"x": away_from_zero})]


@pytest.mark.parametrize("name", ["SELU", "SeLu"])
def test_worked_example(name):
    layer = OneLayer(f'type: "{name}" bottom: "x" top: "y"', x=(1, 1, 1, 4))
    y = layer.forward(x=image([2, 0, -np.log(2), -100]))
    # 1.0507009873554805 * 1.6732632423543772 = 1.7580993
    np.testing.assert_allclose(y.ravel(), [2.101402, 0, -0.87904966, -1.7580993], rtol=1e-6)
    dx = layer.backward(image([1, 1, 10, 1]))
    np.testing.assert_allclose(dx.ravel(), [1.050701, 1.7580993, 8.7904966, 0], rtol=1e-6, atol=1e-7)


def test_keeps_mean_and_variance():
    layer = OneLayer('type: "SELU" bottom: "x" top: "y"', x=(200_000,))
    y = layer.forward(x=np.random.default_rng(0).standard_normal(200_000))
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.01

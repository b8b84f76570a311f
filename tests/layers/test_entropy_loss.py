import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case, positive

CONTRACT = [Case("", [(2, 3, 5)], inputs={"p": positive}, special=False)]


def test_worked_example():
    layer = OneLayer('type: "EntropyLoss" bottom: "p" top: "l"', p=(2, 4))
    loss = layer.forward(p=[[0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0]])
    np.testing.assert_allclose(loss, np.log(4) / 2, rtol=1e-6)
    dp = layer.backward(4)
    want = [[2 * (np.log(4) - 1)] * 4, [-2] + [2 * (87.336544 - 1)] * 3]
    np.testing.assert_allclose(dp, want, rtol=1e-6)


def test_options_refused():
    with pytest.raises(ModelError, match="threshold is not supported"):
        OneLayer('type: "EntropyLoss" bottom: "p" top: "l" entropy_param { threshold: 0.5 }', p=(2, 4))

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5)]), Case("threshold_param { threshold: 0.5 }", [(127,)])]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Threshold" bottom: "x" top: "{top}" threshold_param {{ threshold: 2 }}', x=(4,))
    assert layer.forward(x=[1, 2, 3, np.nan]).tolist() == [0, 0, 1, 0]

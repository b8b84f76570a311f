import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import CaffelikeError, ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("clip_param { min: -0.5 max: 1 }", [(2, 3, 5)]),
    Case("clip_param { min: 0 max: 6 }", [(127,)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Clip" bottom: "x" top: "{top}" clip_param {{ min: -1 max: 2 }}', x=(6,))
    assert layer.forward(x=[-3, -1, 0.5, 2, 3, np.nan]).tolist() == [-1, -1, 0.5, 2, 2, -1]
    assert layer.backward([1, 2, 3, 4, 5, 6]).tolist() == [0, 2, 3, 4, 0, 0]


def test_options_refused():
    with pytest.raises(ModelError, match="min 2 exceeds max 1"):
        OneLayer('type: "Clip" bottom: "x" top: "y" clip_param { min: 2 max: 1 }', x=(3,))
    with pytest.raises(CaffelikeError, match=r"'l' .*has no min; add clip_param"):
        OneLayer('type: "Clip" bottom: "x" top: "y"', x=(3,))

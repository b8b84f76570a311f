import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("exp_param { base: 2 scale: 3 shift: 1 }", [(127,)]),
    Case("exp_param { base: 0.5 shift: -1 }", [(2, 13)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Exp" bottom: "x" top: "{top}" exp_param {{ base: 2 scale: 3 shift: 1 }}', x=(3,))
    np.testing.assert_allclose(layer.forward(x=[0, 1, -1]), [2, 16, 0.25], rtol=1e-6)
    np.testing.assert_allclose(layer.backward([1, 1, 4]), np.log(8) * np.array([2, 16, 1]), rtol=1e-6)


def test_natural_base_and_overflow():
    layer = OneLayer('type: "Exp" bottom: "x" top: "y" exp_param { shift: 1 }', x=(2,))
    np.testing.assert_allclose(layer.forward(x=[0, 1000]), [np.e, np.inf], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"), [("base: 0", "base is 0; it must be positive"), ("shift: 1e30", "too large")]
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        OneLayer(f'type: "Exp" bottom: "x" top: "y" exp_param {{ {options} }}', x=(3,))

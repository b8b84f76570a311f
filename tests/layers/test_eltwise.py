import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case, away_from_zero

CONTRACT = [
    Case(shapes=[(2, 3, 5)] * 2),
    Case(shapes=[(3, 127)] * 3),
    Case("eltwise_param { coeff: 1.5 coeff: -0.5 }", [(13,)] * 2),
    Case("eltwise_param { coeff: 1 coeff: -1 coeff: 2 }", [(2, 15)] * 3),
    Case("eltwise_param { operation: PROD }", [(2, 3, 5)] * 2),
    Case("eltwise_param { operation: PROD }", [(2, 13)] * 4),
    Case("eltwise_param { operation: PROD stable_prod_grad: false }", [(2, 13)] * 3, inputs={"xs": away_from_zero}),
    Case("eltwise_param { operation: MAX }", [(2, 3, 5)] * 2),
    Case("eltwise_param { operation: MAX }", [(2, 127)] * 3),
]


def eltwise(options="", bottoms=3, **shapes):
    names = " ".join(f'bottom: "{name}"' for name in "abc"[:bottoms])
    shapes = shapes or dict.fromkeys("abc"[:bottoms], (2,))
    return OneLayer(f'type: "Eltwise" {names} top: "y" eltwise_param {{ {options} }}', **shapes)


@pytest.mark.parametrize(
    ("options", "y", "down"),
    [
        ("", [6, 14], [[1, 10], [1, 10], [1, 10]]),
        ("coeff: 1 coeff: -1 coeff: 2", [5, 12], [[1, 10], [-1, -10], [2, 20]]),
        ("operation: PROD", [6, 96], [[6, 240], [3, 240], [2, 160]]),
        ("operation: PROD stable_prod_grad: false", [6, 96], [[6, 240], [3, 240], [2, 160]]),
        ("operation: MAX", [3, 6], [[0, 0], [0, 0], [1, 10]]),
    ],
)
def test_worked_example(options, y, down):
    layer = eltwise(options)
    assert layer.forward(a=[1, 4], b=[2, 4], c=[3, 6]).tolist() == y
    assert [d.tolist() for d in layer.backward([1, 10])] == down


def test_ties_and_nan_of_max():
    layer = eltwise("operation: MAX", a=(4,), b=(4,), c=(4,))
    y = layer.forward(a=[1, np.nan, 0, 2], b=[1, 1, np.nan, 1], c=[1, 0, 5, 2])
    np.testing.assert_array_equal(y, [1, 1, np.nan, 2])
    assert [d.tolist() for d in layer.backward(1)] == [[0, 0, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("operation: MAX coeff: 1 coeff: 1", "coeff is for operation: SUM only"),
        ("coeff: 1", "coeff is given 1 times for 2 bottoms"),
        ("operation: SORT", "operation: SORT"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        eltwise(options, 2)


def test_bottoms_refused():
    with pytest.raises(ModelError, match="2 or more"):
        eltwise("", 1)
    with pytest.raises(ShapeError, match=r"'a' is \(2, 3\) and 'b' is \(2, 1\)"):
        eltwise("", 2, a=(2, 3), b=(2, 1))
    with pytest.raises(ModelError, match="in place"):
        OneLayer('type: "Eltwise" bottom: "a" bottom: "b" top: "a"', a=(2,), b=(2,))

import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("bias_param { axis: 0 num_axes: 2 }", [(2, 3, 13)], batch=False),
    Case("bias_param { axis: -1 }", [(2, 3, 127)]),
    Case("bias_param { num_axes: -1 }", [(2, 3, 4)]),
    Case("bias_param { num_axes: 0 }", [(2, 3, 4)]),
    Case(shapes=[(2, 3, 5, 7), (3, 5)]),
    Case(shapes=[(2, 3), ()]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Bias" bottom: "x" top: "{top}"', x=(2, 2))
    assert layer.forward(x=[[1, 2], [3, 4]], p0=[10, 20]).tolist() == [[11, 22], [13, 24]]
    assert layer.backward([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert layer.param(0).diff.tolist() == [4, 6]
    layer.backward([[1, 2], [3, 4]])
    assert layer.param(0).diff.tolist() == [8, 12]  # a parameter's gradient is added to


def test_second_bottom():
    layer = OneLayer('type: "Bias" bottom: "x" bottom: "b" top: "y" bias_param { axis: 0 }', x=(2, 2), b=(2,))
    assert layer.forward(x=[[1, 2], [3, 4]], b=[10, 20]).tolist() == [[11, 12], [23, 24]]
    for _ in range(2):
        assert layer.backward([[1, 2], [3, 4]])[1].tolist() == [3, 7]


def test_shapes_refused():
    with pytest.raises(ShapeError, match=r"bias of shape \(4,\) does not fit"):
        OneLayer('type: "Bias" bottom: "x" bottom: "b" top: "y"', x=(2, 3), b=(4,))

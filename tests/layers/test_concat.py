import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5), (2, 1, 5)]),
    Case("concat_param { axis: 0 }", [(4, 13), (1, 13), (2, 13)], batch=False),
    Case("concat_param { axis: -1 }", [(2, 3, 15), (2, 3, 127)]),
]


def concat(options, **shapes):
    bottoms = " ".join(f'bottom: "{name}"' for name in shapes)
    return OneLayer(f'type: "Concat" {bottoms} top: "y" concat_param {{ {options} }}', **shapes)


@pytest.mark.parametrize("options", ["", "axis: 1", "axis: -1", "concat_dim: 1"])
def test_worked_example(options):
    layer = concat(options, a=(2, 1), b=(2, 2))
    assert layer.forward(a=[[1], [4]], b=[[2, 3], [5, 6]]).tolist() == [[1, 2, 3], [4, 5, 6]]
    da, db = layer.backward([[1, 2, 3], [4, 5, 6]])
    assert (da.tolist(), db.tolist()) == ([[1], [4]], [[2, 3], [5, 6]])


def test_along_the_batch():
    layer = concat("axis: 0", a=(1, 2), b=(2, 2))
    assert layer.forward(a=[[1, 2]], b=[[3, 4], [5, 6]]).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_of_one_bottom():
    layer = concat("", a=(1, 2))
    assert layer.forward(a=[[1, 2]]).tolist() == [[1, 2]]
    assert layer.backward([[3, 4]]).tolist() == [[3, 4]]


def test_refused():
    with pytest.raises(ModelError, match="axis and concat_dim"):
        concat("axis: 1 concat_dim: 1", a=(1, 2))
    with pytest.raises(ModelError, match="axis is 2"):
        concat("axis: 2", a=(1, 2))
    with pytest.raises(ShapeError, match=r"'a' is \(2, 1\) and 'b' is \(3, 1\)"):
        concat("", a=(2, 1), b=(3, 1))

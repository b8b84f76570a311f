import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 4, 5)], tops=2),
    Case("slice_param { axis: 2 slice_point: 2 slice_point: 3 }", [(2, 3, 13)], tops=3),
    Case("slice_param { axis: 0 }", [(6, 5)], tops=3, batch=False),
]


def cut(options, tops, shape):
    names = " ".join(f'top: "y{i}"' for i in range(tops))
    return OneLayer(f'type: "Slice" bottom: "x" {names} slice_param {{ {options} }}', x=shape)


@pytest.mark.parametrize("options", ["slice_point: 1", "slice_point: 1 axis: -1", "slice_point: 1 slice_dim: 1"])
def test_worked_example(options):
    layer = cut(options, 2, (2, 3))
    a, b = layer.forward(x=[[1, 2, 3], [4, 5, 6]])
    assert (a.tolist(), b.tolist()) == ([[1], [4]], [[2, 3], [5, 6]])
    assert layer.backward([[1], [4]], [[2, 3], [5, 6]]).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_equal_parts_follow_the_bottom():
    layer = cut("axis: 0", 2, (2, 1))
    layer.net.blobs["x"].reshape(4, 1)
    assert [y.tolist() for y in layer.forward(x=[[1], [2], [3], [4]])] == [[[1], [2]], [[3], [4]]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("slice_point: 1", "3 tops need 2 slice_points"),
        ("slice_point: 2 slice_point: 2", "must grow"),
        ("axis: 1 slice_dim: 1", "axis and slice_dim"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        cut(options, 3, (1, 6))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="cannot be cut into 2 equal parts"):
        cut("", 2, (1, 3))
    with pytest.raises(ShapeError, match="slice_point 4 is not inside"):
        cut("slice_point: 4", 2, (1, 3))

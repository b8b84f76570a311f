import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(f"correlation_param {{ {options} }}", [shape, shape])
    for options, shape in [
        ("kernel_size: 1 max_displacement: 2 pad: 2 stride_2: 2", (2, 3, 5, 7)),
        ("kernel_size: 3 max_displacement: 1 stride_1: 2", (2, 2, 9, 8)),
        ("kernel_size: 3 max_displacement: 2 pad: 3 stride_1: 2 stride_2: 1", (1, 2, 6, 7)),
        ("kernel_size: 1 max_displacement: 1 pad: 1 correlation_type: SUBTRACT", (2, 3, 4, 5)),
    ]
]


def correlation(options, a, b=None):
    text = f'type: "Correlation" bottom: "a" bottom: "b" top: "y" correlation_param {{ {options} }}'
    return OneLayer(text, a=a, b=b or a)


def test_worked_example():
    layer = correlation("kernel_size: 1 max_displacement: 1 pad: 1", (1, 1, 1, 3))
    y = layer.forward(a=image([1, 2, 3]), b=image([10, 20, 30]))
    want = [[0, 0, 0]] * 3 + [[0, 20, 60], [10, 40, 90], [20, 60, 0]] + [[0, 0, 0]] * 3
    assert y[0, :, 0].tolist() == want
    dy = image(*([[0, 0, 0]] * 3 + [[1, 1, 1], [1, 0, 0], [0, 0, 2]] + [[0, 0, 0]] * 3)).reshape(1, 9, 1, 3)
    da, db = layer.backward(dy)
    assert da.ravel().tolist() == [10, 10, 20]
    assert db.ravel().tolist() == [1 + 2, 3, 0]


def test_difference():
    layer = correlation("kernel_size: 1 max_displacement: 0 correlation_type: SUBTRACT", (1, 2, 1, 2))
    assert layer.forward(a=[[[[1, 5]], [[2, 8]]]], b=[[[[4, 4]], [[0, 8]]]]).ravel().tolist() == [2.5, 0.5]
    da, db = layer.backward(image([2, 4]))
    assert da.ravel().tolist() == [-1, 2, 1, 2]
    assert db.ravel().tolist() == [1, -2, -1, -2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("kernel_size: 2 max_displacement: 1", "odd kernel_size"),
        ("kernel_size: 1", "max_displacement"),
        ("kernel_size: 1 max_displacement: 1 do_abs: true", "do_abs"),
        ("kernel_size: 1 max_displacement: 1 stride_1: 0", "at least 1"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        correlation(options, (1, 1, 5, 5))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="displacements of 3 do not fit"):
        correlation("kernel_size: 1 max_displacement: 3", (1, 1, 5, 5))
    with pytest.raises(ShapeError, match="one shape"):
        correlation("kernel_size: 1 max_displacement: 1", (1, 1, 5, 5), (1, 1, 5, 6))

import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(f"reduction_param {{ operation: {operation} axis: {axis} coeff: 1.5 }}", [(2, 3, 13)])
    for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
    for axis in (0, 1, -1)
]


@pytest.mark.parametrize(
    ("operation", "y", "dx"),
    [
        ("SUM", [-4, 14], [[2, 2], [20, 20]]),
        ("ASUM", [8, 14], [[2, -2], [20, 20]]),
        ("SUMSQ", [20, 50], [[4, -12], [120, 160]]),
        ("MEAN", [-2, 7], [[1, 1], [10, 10]]),
    ],
)
def test_worked_example(operation, y, dx):
    layer = OneLayer(
        f'type: "Reduction" bottom: "x" top: "y" reduction_param {{ operation: {operation} axis: 1 coeff: 2 }}',
        x=(2, 2),
    )
    assert layer.forward(x=[[1, -3], [3, 4]]).tolist() == y
    assert layer.backward([1, 10]).tolist() == dx


def test_everything():
    layer = OneLayer('type: "Reduction" bottom: "x" top: "y"', x=(2, 2))
    y = layer.forward(x=[[1, 2], [3, 4]])
    assert (y.shape, y) == ((), 10)
    assert layer.backward(5).tolist() == [[5, 5], [5, 5]]


def test_fork_operation_refused():
    with pytest.raises(ModelError, match="operation: TOPK"):
        OneLayer('type: "Reduction" bottom: "x" top: "y" reduction_param { operation: TOPK }', x=(2, 2))

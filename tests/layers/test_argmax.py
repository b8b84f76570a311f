import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(3, 7)]),
    Case("argmax_param { out_max_val: true top_k: 3 }", [(2, 3, 5, 7)]),
    Case("argmax_param { axis: 1 top_k: 2 }", [(2, 3, 5, 7)]),
    Case("argmax_param { axis: -1 out_max_val: true }", [(2, 3, 127)]),
    Case("argmax_param { axis: 0 }", [(13,)], batch=False),
]
X = [[[1, 5], [5, 2]], [[9, 8], [7, 6]]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", [[[2]], [[0]]]),  # of equals the last one
        ("top_k: 3", [[[2, 1, 3]], [[0, 1, 2]]]),
        ("top_k: 2 out_max_val: true", [[[2, 1], [5, 5]], [[0, 1], [9, 8]]]),
        ("axis: 2", [[[1], [0]], [[0], [0]]]),
        ("axis: 1 out_max_val: true", [[[5, 5]], [[9, 8]]]),
        ("axis: -2 top_k: 2", [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]),
    ],
)
def test_worked_example(options, expected):
    layer = OneLayer(f'type: "ArgMax" bottom: "x" top: "y" argmax_param {{ {options} }}', x=(2, 2, 2))
    assert layer.forward(x=X).tolist() == expected


def test_shape_of_many_axes():
    layer = OneLayer('type: "ArgMax" bottom: "x" top: "y"', x=(2, 3, 4, 5, 6))
    assert layer.forward(x=0).shape == (2, 1, 1, 1, 1)


@pytest.mark.parametrize("options", ["top_k: 5", "top_k: 3 axis: 1", "top_k: 0"])
def test_top_k_refused(options):
    with pytest.raises(ModelError, match="values to choose from"):
        OneLayer(f'type: "ArgMax" bottom: "x" top: "y" argmax_param {{ {options} }}', x=(2, 2, 2))

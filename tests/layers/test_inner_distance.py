import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("inner_distance_param { num_output: 4 }", [(2, 3, 5)]),
    Case('inner_distance_param { num_output: 3 bias_term: false distance_type: "L1" }', [(13, 7)]),
]


def distance(options, **shapes):
    return OneLayer(f'type: "InnerDistance" bottom: "x" top: "y" inner_distance_param {{ {options} }}', **shapes)


def test_worked_example():
    layer = distance("num_output: 2", x=(2, 3))
    y = layer.forward(x=[[1, 2, 3], [0, 0, 0]], p0=[[1, 0, 1], [2, 2, 2]], p1=[0, 0.5])
    assert y.tolist() == [[0 + 4 + 4, 1 + 0 + 1 + 0.5], [2, 12.5]]
    dx = layer.backward([[1, 1], [0, 2]])
    assert dx.tolist() == [[0 - 2, 4 + 0, 4 + 2], [-8, -8, -8]]
    assert layer.param(0).diff.tolist() == [[0, -4, -4], [2 + 8, 8, -2 + 8]]
    assert layer.param(1).diff.tolist() == [1, 3]
    layer = distance('num_output: 1 distance_type: "L1" bias_term: false', x=(1, 3))
    assert layer.forward(x=[[1, 2, 3]], p0=[[1, 4, 0]]).tolist() == [[5]]
    assert layer.backward([[2]]).tolist() == [[0, -2, 2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_output: 0", "at least 1"),
        ("num_output: 1 normalize: true", "normalize"),
        ('num_output: 1 distance_type: "L3"', "use L1 or L2"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        distance(options, x=(2, 3))

import pytest
from one_layer import OneLayer, image

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(2, 3, 5, 7)]),
    Case("flip_param { flip_width: false flip_height: true }", [(2, 3, 5, 7)]),
    Case("flip_param { flip_height: true }", [(1, 2, 4, 3)]),
    Case("flip_param { flip_width: false }", [(1, 2, 4, 3)]),
]


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ("", [[3, 2, 1], [6, 5, 4]]),
        ("flip_width: false flip_height: true", [[4, 5, 6], [1, 2, 3]]),
        ("flip_height: true", [[6, 5, 4], [3, 2, 1]]),
    ],
)
def test_worked_example(options, want):
    layer = OneLayer(f'type: "Flip" bottom: "x" top: "y" flip_param {{ {options} }}', x=(1, 1, 2, 3))
    assert layer.forward(x=image([1, 2, 3], [4, 5, 6])).tolist() == image(*want).tolist()
    assert layer.backward(image(*want)).tolist() == image([1, 2, 3], [4, 5, 6]).tolist()


def test_shapes_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        OneLayer('type: "Flip" bottom: "x" top: "y"', x=(2, 3))

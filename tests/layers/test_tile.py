import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("tile_param { tiles: 3 }", [(2, 3, 5)]),
    Case("tile_param { axis: -1 tiles: 2 }", [(2, 3, 13)]),
    Case("tile_param { axis: 0 tiles: 2 }", [(2, 13)], batch=False),
]


@pytest.mark.parametrize(
    ("options", "y", "dx"),
    [
        ("tiles: 2", [[1, 2, 1, 2], [3, 4, 3, 4]], [[4, 6], [12, 14]]),
        ("tiles: 2 axis: 0", [[1, 2], [3, 4], [1, 2], [3, 4]], [[6, 8], [10, 12]]),
        ("tiles: 1 axis: -1", [[1, 2], [3, 4]], None),
    ],
)
def test_worked_example(options, y, dx):
    layer = OneLayer(f'type: "Tile" bottom: "x" top: "y" tile_param {{ {options} }}', x=(2, 2))
    assert layer.forward(x=[[1, 2], [3, 4]]).tolist() == y
    if dx:
        count = iter(range(1, 9))
        assert layer.backward([[next(count) for _ in row] for row in y]).tolist() == dx


def test_tiles_is_required():
    with pytest.raises(ModelError, match="tiles is 0"):
        OneLayer('type: "Tile" bottom: "x" top: "y"', x=(2, 2))

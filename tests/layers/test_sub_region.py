import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

SIZES = "region_height: 2 region_width: 3 data_height: 10 data_width: 12"


def places(generator, shape):
    return generator.uniform(-6, 6, shape)


CONTRACT = [
    Case(f"sub_region_param {{ {SIZES} }}", [(2, 3, 5, 6), (2, 4)], tops=1, inputs={"points": places}),
    Case(f"sub_region_param {{ {SIZES} as_dim: 0 }}", [(2, 3, 5, 6), (2, 4), (2, 4)], tops=1,
         inputs={"points": places}),
    Case(f"sub_region_param {{ {SIZES} }}", [(2, 3, 5, 6), (2, 4), (2, 4)], tops=3, inputs={"points": places},
         differentiable=False),
]  # fmt: skip


def cut(options=SIZES, tops=3, x=(2, 1, 5, 6), points=(2, 4)):
    words = " ".join(f'top: "t{i}"' for i in range(tops))
    return OneLayer(
        f'type: "SubRegion" bottom: "x" bottom: "p" bottom: "g" {words} sub_region_param {{ {options} }}',
        x=x, p=points, g=points,
    )  # fmt: skip


def test_worked_example():
    """Points of 12 x 10 in a map of 6 x 5: half a pixel for each."""
    x = np.arange(60.0).reshape(2, 1, 5, 6)
    layer = cut()
    y, away, middles = layer.forward(x=x, p=[[0, 0, -6, -5], [5, 4, 1, 0]], g=[[1, 2, 0, 0], [0, 0, 3, 3]])
    # rows begin at floor(2.5 - 1) = 1 and -1, columns at 3 - 1 = 2 and -1; then 3, 4 and 1, 2
    assert y[0].tolist() == [[[8, 9, 10], [14, 15, 16]], [[0, 0, 0], [0, 0, 1]]]
    assert y[1].tolist() == [[[52, 53, 0], [58, 59, 0]], [[38, 39, 40], [44, 45, 46]]]
    assert middles.tolist() == [[8, 5, 2, 1], [12, 9, 8, 5]]
    assert away.tolist() == [[1 + 6 - 8, 2 + 5 - 5, 0 + 6 - 2, 5 - 1], [6 - 12, 5 - 9, 3 + 6 - 8, 3 + 5 - 5]]
    dy = np.ones(y.shape)
    dy[0, 1] = 7
    dx = layer.backward(dy, away, middles)[0]
    assert dx[0, 0].tolist() == [[7, 7, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 0], [0] * 6, [0] * 6]
    assert dx[1, 0, 3].tolist() == [0, 0, 0, 0, 1, 1]
    other = cut(SIZES + " as_dim: 0", 1).forward(x=x, p=[[0, 0, -6, -5], [5, 4, 1, 0]])
    np.testing.assert_array_equal(other, y[[0, 1, 0, 1], [0, 0, 1, 1]][:, None])


def test_refused():
    with pytest.raises(ModelError, match="needs region_height"):
        cut("region_height: 2")
    with pytest.raises(ModelError, match="has one top, or three"):
        cut(tops=2)
    with pytest.raises(ShapeError, match="needs a map"):
        cut(points=(2, 3))

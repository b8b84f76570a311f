import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("imresize_param { factor: 3 }", [(2, 3, 5, 7)], special=False),
    Case(
        "imresize_param { target_spatial_width: 9 target_spatial_height: 6 scale_gap: 0.25 }",
        [(2, 2, 8, 8)],
        special=False,
        batch=False,
    ),
]


def resize(options, shape):
    return OneLayer(f'type: "ImResize" bottom: "x" top: "y" imresize_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = resize("factor: 2", (1, 1, 1, 4))
    y = layer.forward(x=[[[[0, 8, 8, 16]]]])
    assert y.shape == (1, 1, 2, 8)
    # at -0.25 (extrapolated from pixel 0), 0.25, 0.75, 1.25, ...: Keys' weights for t = 1/4 are
    # (-9, 111, 29, -3) / 128, for 3/4 the other way round; beyond the edge the last pixel goes on
    want = [
        8 * (0.5 * -0.25 + 2 * 0.0625 + 1.5 * 0.015625) + 8 * (-0.5 * 0.0625 - 0.5 * 0.015625),
        (29 * 8 - 3 * 8) / 128,
        (111 * 8 - 9 * 8) / 128,
        (111 * 8 + 29 * 8 - 3 * 16) / 128,
        (29 * 8 + 111 * 8 - 9 * 16) / 128,
        (-9 * 8 + 111 * 8 + 29 * 16 - 3 * 16) / 128,
        (-3 * 8 + 29 * 8 + 111 * 16 - 9 * 16) / 128,
        (-9 * 8 + 111 * 16 + 29 * 16 - 3 * 16) / 128,
    ]
    np.testing.assert_allclose(y[0, 0, 0], want, rtol=1e-5)
    np.testing.assert_allclose(y[0, 0, 1], want, rtol=1e-5)


def test_scales_are_averaged_without_their_borders():
    x = np.zeros((2, 1, 4, 8))
    x[0] = 3
    x[1, :, 1:3, 2:6] = 5  # the second scale fills half of the map
    y = resize("factor: 2 scale_gap: 0.5", (2, 1, 4, 8)).forward(x=x)
    np.testing.assert_allclose(y, np.full((1, 1, 8, 16), 4), rtol=1e-5)


def test_refused():
    with pytest.raises(ModelError, match="would be 0x0"):
        resize("factor: 0.1", (1, 1, 4, 4))
    with pytest.raises(ModelError, match="nothing of the last of 5 items"):
        resize("factor: 2 scale_gap: 0.25", (5, 1, 4, 4))
    with pytest.raises(ShapeError, match="4 axes"):
        resize("factor: 2", (1, 4, 4))

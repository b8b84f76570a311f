import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [
    Case(f"mvn_param {{ normalize_variance: {variance} across_channels: {across} }}", [shape], tolerance=1e-4)
    for shape in [(2, 3, 5, 7), (2, 127)]
    for variance in ("true", "false")
    for across in ("true", "false")
    if shape != (2, 127) or across == "true"  # one value a channel has no variance
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "MVN" bottom: "x" top: "{top}" mvn_param {{ eps: 2 }}', x=(1, 2, 2))
    y = layer.forward(x=[[[1, 5], [10, 2]]])  # means 3 and 6, deviations 2 and 4
    np.testing.assert_allclose(y, [[[-0.5, 0.5], [4 / 6, -4 / 6]]], rtol=1e-6)
    dx = layer.backward([[[1, 0], [0, 0]]])  # (dy - 1/2 - y * (-1/4)) / 4
    np.testing.assert_allclose(dx, [[[0.375 / 4, -0.375 / 4], [0, 0]]], rtol=1e-6)


def test_mean_only_across_channels():
    options = "mvn_param { normalize_variance: false across_channels: true }"
    layer = OneLayer(f'type: "MVN" bottom: "x" top: "y" {options}', x=(1, 2, 2))
    assert layer.forward(x=[[[1, 2], [3, 6]]]).tolist() == [[[-2, -1], [0, 3]]]
    assert layer.backward([[[4, 0], [0, 0]]]).tolist() == [[[3, -1], [-1, -1]]]

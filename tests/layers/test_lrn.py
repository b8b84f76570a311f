import numpy as np
import pytest
from one_layer import OneLayer, image

import caffelike
from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = {}
CONTRACT["LRNMap"] = [Case("lrn_map_param { local_size: 3 alpha: 0.5 }", [(2, 3, 7, 9)])]
CONTRACT["LRN"] = [
    Case(shapes=[(2, 7, 3, 5)]),
    Case("lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 k: 2 }", [(1, 4, 13, 1)]),
    Case("lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }", [(2, 3, 7, 9)]),
]


def lrn(options, shape):
    return OneLayer(f'type: "LRN" bottom: "x" top: "y" lrn_param {{ {options} }}', x=shape)


def test_across_channels_worked_example():
    layer = lrn("local_size: 3 alpha: 3 beta: 1 k: 1", (1, 3, 1, 1))
    y = layer.forward(x=np.array([1, 2, 3]).reshape(1, 3, 1, 1))
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 15, 3 / 14], rtol=1e-6)
    # y0 = x0 / (1 + x0^2 + x1^2): dy0/dx0 = 1/6 - 2/36, dy0/dx1 = -4/36
    dx = layer.backward(np.array([36, 0, 0]).reshape(1, 3, 1, 1))
    np.testing.assert_allclose(dx.ravel(), [4, -4, 0], rtol=1e-5)


def test_within_channel_ignores_k_and_counts_the_border():
    layer = lrn("local_size: 3 alpha: 9 beta: 1 k: 50 norm_region: WITHIN_CHANNEL", (1, 1, 1, 3))
    y = layer.forward(x=image([1, 2, 3]))
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 15, 3 / 14], rtol=1e-6)
    dx = layer.backward(image([36, 0, 0]))
    np.testing.assert_allclose(dx.ravel(), [4, -4, 0], rtol=1e-5)


def test_maps_worked_example(tmp_path):
    """Of 2014: the same numbers as WITHIN_CHANNEL's, through the V1 word too."""
    text = 'type: "LRNMap" bottom: "x" top: "y" lrn_map_param { local_size: 3 alpha: 9 beta: 0.5 }'
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 5)).astype(np.float32)
    y = OneLayer(text, x=x.shape).forward(x=x)
    for place in np.ndindex(x.shape):
        _, c, row, column = place
        near = x[0, c, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].astype(np.float64)
        assert y[place] == pytest.approx(x[place] / np.sqrt(1 + np.square(near).sum()), rel=1e-5)
    old = (
        'input: "x" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 5'
        ' layers { name: "n" type: LRN_MAP bottom: "x" top: "y" lrn_map_param { local_size: 3 alpha: 9 beta: 0.5 } }'
    )
    (tmp_path / "old.prototxt").write_text(old)
    net = caffelike.Net(str(tmp_path / "old.prototxt"), caffelike.TEST)
    np.testing.assert_allclose(net.forward(x=x)["y"], y, rtol=1e-5)


def test_refused():
    with pytest.raises(ModelError, match="must be odd"):
        lrn("local_size: 4", (1, 1, 1, 1))
    with pytest.raises(ShapeError, match="4 axes"):
        lrn("", (1, 1))

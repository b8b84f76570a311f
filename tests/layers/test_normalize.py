import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("norm_param { across_spatial: false channel_shared: false scale_filler { type: 'uniform' min: 1 max: 3 } }",
         [(2, 3, 5, 7)]),
    Case("norm_param { scale_filler { value: 20 } }", [(3, 4, 1, 13)]),
    Case("normalize_param { }", [(4, 15)]),
    Case("norm_param { across_spatial: false eps: 0.5 }", [(2, 15)]),
]  # fmt: skip


def normalize(options, shape=(1, 2, 1, 2)):
    return OneLayer(f'type: "Normalize" bottom: "x" top: "y" {options}', x=shape)


X = np.array([[[[3, 0]], [[4, 2]]]], np.float32)  # the position (3, 4), then (0, 2)


def test_worked_example():
    layer = normalize("norm_param { across_spatial: false channel_shared: false scale_filler { value: 10 } }")
    y = layer.forward(x=X, p0=[10, 20])
    np.testing.assert_allclose(y.ravel(), [6, 0, 16, 20], rtol=1e-6)
    dx = layer.backward(np.array([[[[1, 1]], [[0, 1]]]], np.float32))
    # g = (10, 0) along (0.6, 0.8): 10 - 0.6 * 6 = 6.4 and -4.8, over 5; the second place has g = (10, 20), u = (0, 1)
    np.testing.assert_allclose(dx.ravel(), [1.28, 5, -0.96, 0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(layer.param(0).diff, [0.6, 1], rtol=1e-6)


def test_across_an_image():
    y = normalize("norm_param { scale_filler { value: 2 } }").forward(x=X)
    np.testing.assert_allclose(y.ravel(), 2 * X.ravel() / np.sqrt(29), rtol=1e-6)


def test_happynears_dialect_goes_position_by_position():
    layer = normalize("normalize_param { }")
    np.testing.assert_allclose(layer.forward(x=X).ravel(), [0.6, 0, 0.8, 1], rtol=1e-6)
    assert layer.forward(x=0).tolist() == np.zeros(X.shape).tolist()  # 1e-6 is added to the sum of squares
    tiny = layer.forward(x=1e-3 * np.array([[[[1, 0]], [[0, 0]]]]))
    np.testing.assert_allclose(tiny.ravel(), [1e-3 / np.sqrt(2e-6), 0, 0, 0], rtol=1e-5)


def test_a_fixed_scale_is_not_learned():
    layer = normalize("norm_param { fix_scale: true }")
    layer.forward(x=X)
    layer.backward(np.ones((1, 2, 1, 2), np.float32))
    assert layer.param(0).diff.tolist() == [0]


def test_refused():
    with pytest.raises(ModelError, match="only normalize_type L2"):
        normalize('normalize_param { normalize_type: "L1" }')
    with pytest.raises(ShapeError, match="two or more axes"):
        normalize("norm_param { }", (3,))

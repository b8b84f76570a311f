import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(2, 3, 4, 5)] * 2, differentiable=False),
    Case("yolo_seg_param { object_scale: 0.2 }", [(2, 1, 3, 3), (2, 9), (2,)], differentiable=False),
]


def test_worked_example():
    text = 'type: "YoloSeg" bottom: "x" bottom: "label" bottom: "n" top: "loss" yolo_seg_param { object_scale: 0.5 }'
    layer = OneLayer(text, x=(2, 1, 2, 3), label=(2, 1, 2, 3), n=(2, 1))
    p = np.array([0.5, 0.25, 0.75, 0.5, 0.2, 0.8, 0.1, 0.9, 0.5, 0.6, 0.4, 0.5])
    label = np.array([1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1])
    x = np.log(p / (1 - p)).reshape(2, 1, 2, 3)
    delta = np.array([-0.25, 0.125, -0.125, 0.25, 0.1, -0.1, 0.05, 0.45, 0.25, -0.2, -0.3, -0.25])
    # squares: .0625 .015625 .015625 .0625 .01 .01 .0025 .2025 .0625 .04 .09 .0625, in all .63625, of two items
    np.testing.assert_allclose(layer.forward(x=x, label=label.reshape(x.shape), n=1), 0.63625 / 2, rtol=1e-6)
    dx = layer.backward(3.0)[0]
    np.testing.assert_allclose(dx.ravel(), 1.5 * delta, rtol=1e-5, atol=1e-7)


def test_refused():
    with pytest.raises(ShapeError, match="as many labels"):
        OneLayer('type: "YoloSeg" bottom: "x" bottom: "l" top: "loss"', x=(2, 3), l=(2, 4))

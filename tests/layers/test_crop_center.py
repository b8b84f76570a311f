import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("crop_center_param { crop_size: [0, 0, 1, 2] }", [(2, 3, 5, 7)]),
    Case("crop_center_param { crop_size: [0, 1] }", [(13, 5)]),
]


def crop(sizes, shape):
    return OneLayer(f'type: "CropCenter" bottom: "x" top: "y" crop_center_param {{ crop_size: {sizes} }}', x=shape)


def test_worked_example():
    layer = crop([0, 0, 1, 2], (1, 1, 3, 6))
    y = layer.forward(x=image([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 18]))
    assert y.tolist() == image([9, 10]).tolist()
    dx = layer.backward(image([5, 6]))
    assert dx.tolist() == image([0] * 6, [0, 0, 5, 6, 0, 0], [0] * 6).tolist()


def test_refused():
    with pytest.raises(ModelError, match="given 2 times for a bottom of 4 axes"):
        crop([1, 1], (1, 1, 3, 3))
    with pytest.raises(ShapeError, match="leaves nothing"):
        crop([0, 0, 2, 0], (1, 1, 4, 3))

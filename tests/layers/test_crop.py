import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("crop_param { axis: 2 offset: 2 offset: 3 }", [(2, 3, 9, 11), (5, 7, 5, 6)]),
    Case("crop_param { axis: 1 offset: 1 }", [(2, 4, 13), (1, 2, 7)]),
]


def crop(options, x, ref):
    return OneLayer(f'type: "Crop" bottom: "x" bottom: "ref" top: "y" crop_param {{ {options} }}', x=x, ref=ref)


def test_worked_example():
    layer = crop("offset: 1 offset: 0", (1, 1, 3, 3), (7, 7, 2, 2))
    assert layer.forward(x=image([1, 2, 3], [4, 5, 6], [7, 8, 9])).tolist() == image([4, 5], [7, 8]).tolist()
    dx, dref = layer.backward(image([1, 2], [3, 4]))
    assert dx.tolist() == image([0, 0, 0], [1, 2, 0], [3, 4, 0]).tolist()
    assert not dref.any()


def test_one_offset_for_all_axes_and_none():
    layer = crop("axis: 0 offset: 1", (2, 3), (1, 1))
    assert layer.forward(x=[[1, 2, 3], [4, 5, 6]]).tolist() == [[5]]
    layer = crop("axis: -1", (2, 3), (9, 2))
    assert layer.forward(x=[[1, 2, 3], [4, 5, 6]]).tolist() == [[1, 2], [4, 5]]


def test_refused():
    with pytest.raises(ModelError, match="offset is given 2 times for 1 cropped"):
        crop("axis: 1 offset: 1 offset: 1", (2, 3), (2, 3))
    with pytest.raises(ShapeError, match="leaves axis 1"):
        crop("axis: 1 offset: 1", (2, 3), (2, 3))
    with pytest.raises(ShapeError, match="fewer axes"):
        crop("axis: 1", (2, 3), (2,))

import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("mask_resize_param { output_height: 3 output_width: 9 }", [(2, 3, 7, 5)], special=False),
    Case("mask_resize_param { output_height: 1 output_width: 2 }", [(2, 1, 1, 2)], special=False),
]


def test_worked_example():
    layer = OneLayer(
        'type: "MaskResize" bottom: "x" top: "y" mask_resize_param { output_height: 1 output_width: 4 }', x=(1, 1, 2, 2)
    )
    # rows half and half; columns at -1/4 (the first one's), 1/4, 3/4, 5/4 (the last one's)
    assert layer.forward(x=image([0, 8], [4, 4])).tolist() == image([2, 3, 5, 6]).tolist()
    assert layer.backward(image([8, 16, 32, 64])).tolist() == image([14, 46], [14, 46]).tolist()
    with pytest.raises(ModelError, match="output_height and output_width"):
        OneLayer('type: "MaskResize" bottom: "x" top: "y"', x=(1, 1, 2, 2))

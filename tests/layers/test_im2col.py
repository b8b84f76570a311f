import pytest
from one_layer import OneLayer, image

from caffelike.errors import ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("convolution_param { kernel_size: 3 }", [(2, 3, 7, 9)]),
    Case("convolution_param { kernel_size: 3 stride: 2 pad: 1 dilation: 2 }", [(2, 3, 9, 15)]),
    Case("convolution_param { kernel_size: 2 }", [(2, 3, 3, 4, 5)]),
]


def im2col(options, shape):
    return OneLayer(f'type: "Im2col" bottom: "x" top: "y" convolution_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = im2col("kernel_size: 2", (1, 1, 2, 3))
    y = layer.forward(x=image([1, 2, 3], [4, 5, 6]))
    assert y.tolist() == [[[[1, 2]], [[2, 3]], [[4, 5]], [[5, 6]]]]
    dx = layer.backward([[[[1, 10]], [[100, 1000]], [[1, 1]], [[1, 1]]]])
    assert dx.tolist() == image([1, 110, 1000], [1, 2, 1]).tolist()


def test_padding_is_zero():
    layer = im2col("kernel_size: 1 pad: 1", (1, 1, 1, 1))
    assert layer.forward(x=7).tolist() == image([0, 0, 0], [0, 7, 0], [0, 0, 0]).tolist()


def test_too_small_a_bottom_is_refused():
    with pytest.raises(ShapeError, match=r"Layer 'l' \(Im2col\)"):
        im2col("kernel_size: 3", (1, 1, 2, 2))

import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ShapeError
from caffelike.testing import Case

PLAIN = [
    Case(f"convolution_param {{ num_output: 4 {options} }}", [shape])
    for options, shape in [
        ("kernel_size: 3", (2, 3, 5, 7)),
        ("kernel_size: 4 stride: 2 pad: 1 group: 2 bias_term: false", (2, 4, 5, 7)),
        ("kernel_size: 3 dilation: 2 dilation: 3 pad: 2 pad: 3", (2, 3, 6, 7)),
        ("kernel_size: 1", (2, 3, 5, 13)),
        ("kernel_size: 2 stride: 2", (2, 3, 3, 4, 3)),
    ]
]
CONTRACT = {
    "Deconvolution": PLAIN,
    "Deconvolution3D": [
        Case(
            f"{message} {{ num_output: 2 kernel_size: 4 kernel_depth: 2 stride: 2 temporal_stride: 2 pad: 1 }}",
            [(2, 3, 2, 3, 4)],
        )
        for message in ("convolution3d_param", "convolution_param")
    ],
}


def deconv(options, kernels=False, **shapes):
    text = f'type: "Deconvolution" bottom: "x" top: "y" convolution_param {{ {options} }}'
    return OneLayer(text, kernels=kernels, **shapes)


def test_worked_example():
    layer = deconv("num_output: 1 kernel_size: 3 stride: 2", x=(1, 1, 1, 2))
    y = layer.forward(x=image([1, 10]), p0=image([1, 2, 3], [0, 0, 0], [4, 5, 6]), p1=0.5)
    assert y.tolist() == image([1.5, 2.5, 13.5, 20.5, 30.5], [0.5] * 5, [4.5, 5.5, 46.5, 50.5, 60.5]).tolist()
    dx = layer.backward(image([1, 0, 0, 0, 0], [0] * 5, [0, 0, 0, 0, 1]))
    assert dx.tolist() == image([1, 6]).tolist()
    assert layer.param(0).diff.tolist() == image([1, 0, 0], [0, 0, 0], [0, 0, 10]).tolist()
    assert layer.param(1).diff.tolist() == [2]


def test_pad_cuts_off():
    layer = deconv("num_output: 1 kernel_size: 3 pad: 1 bias_term: false", x=(1, 1, 1, 1))
    assert layer.forward(x=2, p0=image([1, 2, 3], [4, 5, 6], [7, 8, 9])).tolist() == [[[[10]]]]


def test_groups_and_weight_shape():
    layer = deconv("num_output: 4 kernel_size: 1 group: 2 bias_term: false", x=(1, 2, 1, 1))
    assert layer.param(0).shape == (2, 2, 1, 1)
    y = layer.forward(x=np.array([1, 10]).reshape(1, 2, 1, 1), p0=np.arange(1, 5).reshape(2, 2, 1, 1))
    assert y.ravel().tolist() == [1, 2, 30, 40]


@pytest.mark.parametrize("kernels", [False, True])
def test_axis_moves_the_channels(kernels):
    layer = deconv("num_output: 1 kernel_size: 2 axis: 2", kernels, x=(2, 2, 1, 1))
    y = layer.forward(x=np.arange(4).reshape(2, 2, 1, 1), p0=[[[1, 10]]], p1=0.5)
    assert y.ravel().tolist() == [0.5, 0.5, 1.5, 10.5, 2.5, 20.5, 3.5, 30.5]
    assert layer.backward(np.ones(y.shape)).ravel().tolist() == [11] * 4
    assert layer.param(0).diff.ravel().tolist() == [6, 6]
    assert layer.param(1).diff.tolist() == [8]


def test_bilinear_upsampling_keeps_a_plane():
    layer = deconv(
        "num_output: 1 kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: 'bilinear' }",
        x=(1, 1, 3, 3),
    )
    y = layer.forward(x=1)
    np.testing.assert_allclose(y[0, 0, 1:-1, 1:-1], 1, rtol=1e-6)


def test_pad_larger_than_the_top_is_refused():
    with pytest.raises(ShapeError, match=r"Layer 'l' \(Deconvolution\)"):
        deconv("num_output: 1 kernel_size: 1 pad: 1", x=(1, 1, 2, 2))

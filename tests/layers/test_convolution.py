import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

PLAIN = [
    Case(f"convolution_param {{ num_output: 4 {options} }}", shapes)
    for options, shapes in [
        ("kernel_size: 3", [(2, 3, 7, 9)]),
        ("kernel_size: 1", [(2, 3, 5, 13)]),
        ("kernel_size: 3 stride: 2 pad: 1 bias_term: false", [(2, 3, 9, 11)]),
        ("kernel_h: 3 kernel_w: 5 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 2", [(2, 3, 9, 11)]),
        ("kernel_size: 3 dilation: 2 group: 2", [(2, 4, 9, 15)]),
        ("kernel_size: 3 group: 4", [(1, 4, 13, 15)]),
        ("kernel_size: 2", [(2, 3, 4, 3, 5)]),
        ("kernel_size: 3", [(2, 3, 13)]),
    ]
] + [Case("convolution_param { num_output: 2 kernel_size: 3 }", [(2, 3, 5, 7)] * 2, tops=2)]
VOLUME = "{ num_output: 4 kernel_size: 3 kernel_depth: 2 stride: 2 pad: 1 temporal_pad: 1 }"
CONTRACT = {
    "Convolution": PLAIN,
    "ConvolutionDepthwise": [
        Case("convolution_param { num_output: 3 kernel_size: 3 pad: 1 stride: 2 }", [(2, 3, 7, 9)]),
        Case("convolution_param { num_output: 6 kernel_size: 3 bias_term: false }", [(2, 3, 5, 7)]),
    ],
    "Convolution3D": [
        Case(f"convolution3d_param {VOLUME}", [(2, 3, 3, 6, 7)]),
        Case(f"convolution_param {VOLUME}", [(2, 3, 3, 6, 7)]),
    ],
}


def conv(options, kernels=False, **shapes):
    tops = " ".join(f'bottom: "{name}" top: "y_{name}"' for name in shapes)
    return OneLayer(f'type: "Convolution" {tops} convolution_param {{ {options} }}', kernels=kernels, **shapes)


def test_worked_example():
    layer = conv("num_output: 1 kernel_size: 2", x=(1, 1, 3, 3))
    x = image([1, 2, 3], [4, 5, 6], [7, 8, 9])
    y = layer.forward(x=x, p0=image([1, 0], [0, -1]), p1=10)
    assert y.tolist() == [[[[6, 6], [6, 6]]]]
    dx = layer.backward(image([1, 0], [0, 2]))
    assert dx.tolist() == image([1, 0, 0], [0, 1, 0], [0, 0, -2]).tolist()
    assert layer.param(0).diff.tolist() == image([1 + 10, 2 + 12], [4 + 16, 5 + 18]).tolist()
    assert layer.param(1).diff.tolist() == [3]


def test_stride_pad_dilation():
    layer = conv("num_output: 1 kernel_size: 2 stride: 2 pad: 1 dilation: 2 bias_term: false", x=(1, 1, 3, 3))
    y = layer.forward(x=image([1, 2, 3], [4, 5, 6], [7, 8, 9]), p0=image([1, 10], [100, 1000]))
    # one window fits twice per axis?  extent 3, padded size 5: (5 - 3) // 2 + 1 = 2
    assert y.tolist() == image([5000, 500], [50, 5]).tolist()


def test_groups_see_their_own_channels():
    layer = conv("num_output: 2 kernel_size: 1 group: 2 bias_term: false", x=(1, 2, 1, 1))
    assert layer.param(0).shape == (2, 1, 1, 1)
    y = layer.forward(x=np.array([3, 5]).reshape(1, 2, 1, 1), p0=np.array([2, 7]).reshape(2, 1, 1, 1))
    assert y.ravel().tolist() == [6, 35]


def test_one_and_three_axes():
    layer = conv("num_output: 1 kernel_size: 2 bias_term: false", x=(1, 1, 4))
    assert layer.forward(x=[[[1, 2, 4, 8]]], p0=[[[1, -1]]]).tolist() == [[[-1, -2, -4]]]
    layer = conv("num_output: 1 kernel_size: 2 kernel_size: 1 kernel_size: 2 bias_term: false", x=(1, 1, 2, 1, 2))
    assert layer.forward(x=[[[[[1, 2]], [[3, 4]]]]], p0=1).tolist() == [[[[[10]]]]]


@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize(("axis", "shape"), [(0, (1, 2)), (2, (2, 3, 1, 2)), (3, (1, 3, 2, 1, 2))])
def test_axis_moves_the_channels(axis, shape, kernels):
    layer = conv(f"num_output: 1 kernel_size: 2 axis: {axis}", kernels, x=shape)
    x = np.arange(np.prod(shape)).reshape(shape)
    y = layer.forward(x=x, p0=1, p1=0.5)
    assert y.ravel().tolist() == [1.5, 5.5, 9.5, 13.5, 17.5, 21.5][: y.size]
    assert layer.backward(np.ones(y.shape)).tolist() == np.ones(shape).tolist()
    assert layer.param(0).diff.ravel().tolist() == x.reshape(-1, 2).sum(axis=0).tolist()
    assert layer.param(1).diff.tolist() == [y.size]


def test_two_bottoms_share_the_weights():
    layer = conv("num_output: 1 kernel_size: 1", a=(1, 1, 1, 1), b=(1, 1, 1, 1))
    a, b = layer.forward(a=3, b=4, p0=2, p1=1)
    assert (a.item(), b.item()) == (7, 9)
    layer.backward(1, 10)
    assert layer.param(0).diff.item() == 3 + 40
    assert layer.param(1).diff.item() == 11


def test_kernel_h_and_w():
    layer = conv("num_output: 1 kernel_h: 1 kernel_w: 3 pad_w: 1 stride_h: 2 stride_w: 1", x=(1, 1, 3, 4))
    assert layer.net.blobs["y_x"].shape == (1, 1, 2, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_output: 1", "has no kernel_size"),
        ("kernel_size: 1", "num_output must be"),
        ("num_output: 1 kernel_size: 0", "kernel_size is 0"),
        ("num_output: 1 kernel_size: 1 stride: 0", "stride is 0"),
        ("num_output: 3 kernel_size: 1 group: 2", "group 2 must divide"),
        ("num_output: 1 kernel_h: 2", "kernel_h is given without kernel_w"),
        ("num_output: 1 kernel_size: 2 kernel_h: 2 kernel_w: 2", "both given"),
        ("num_output: 1 kernel_size: 2 kernel_size: 2 kernel_size: 2", "given 3 times for 2 spatial axes"),
        ("num_output: 1 kernel_size: 1 axis: 4", "axis is 4"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=rf"Layer 'l' \(Convolution\).*{message}"):
        conv(options, x=(1, 2, 3, 3))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="kernel of 5x5"):
        conv("num_output: 1 kernel_size: 5", x=(1, 1, 3, 3))
    with pytest.raises(ShapeError, match="one shape"):
        conv("num_output: 1 kernel_size: 1", a=(1, 1, 3, 3), b=(1, 1, 3, 4))
    layer = conv("num_output: 1 kernel_size: 1", x=(1, 2, 3, 3))
    layer.net.blobs["x"].reshape(1, 3, 3, 3)
    with pytest.raises(ShapeError, match="weights are for 2 channels"):
        layer.forward()


def test_other_names_worked_example():
    """Each channel by itself: DepthwiseConvolution with a group a channel, ConvolutionDepthwise without the word."""
    x = np.stack([np.arange(1, 10).reshape(3, 3), np.arange(9, 0, -1).reshape(3, 3)])[None]
    weight = np.array([[[[1, 0], [0, -1]]], [[[1, 2], [3, 4]]]])
    # 9 + 2 * 8 + 3 * 6 + 4 * 5 = 63, 10 less for each step to the right and 30 for each one down; plus the bias
    want = [[[-4, -4], [-4, -4]], [[64, 54], [34, 24]]]
    for kind, group in (("DepthwiseConvolution", "group: 2"), ("ConvolutionDepthwise", "")):
        text = f'type: "{kind}" bottom: "x" top: "y" convolution_param {{ num_output: 2 kernel_size: 2 {group} }}'
        layer = OneLayer(text, x=(1, 2, 3, 3))
        assert layer.layer.type == kind
        assert layer.forward(x=x, p0=weight, p1=[0, 1]).tolist() == [want]


def test_volumes_worked_example():
    """A kernel of one slice is the plane's; a kernel of two adds two of them."""
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (1, 2, 3, 4, 5))
    weight, bias = rng.integers(-3, 4, (3, 2, 2, 3, 3)), rng.integers(-3, 4, 3)
    options = "num_output: 3 kernel_size: 3 kernel_depth: 2 pad: 1"
    layer = OneLayer(f'type: "Convolution3D" bottom: "x" top: "y" convolution3d_param {{ {options} }}', x=x.shape)
    y = layer.forward(x=x, p0=weight, p1=bias)
    plane = conv("num_output: 3 kernel_size: 3 pad: 1 bias_term: false", x=(1, 2, 4, 5))
    slices = [[plane.forward(x=x[:, :, d], p0=weight[:, :, k]) for k in range(2)] for d in range(3)]
    want = np.stack([slices[d][0] + slices[d + 1][1] for d in range(2)], axis=2) + bias.reshape(1, 3, 1, 1, 1)
    assert y.tolist() == want.tolist()
    with pytest.raises(ShapeError, match="5 axes"):
        OneLayer(f'type: "Convolution3D" bottom: "x" top: "y" convolution3d_param {{ {options} }}', x=(1, 2, 4, 5))

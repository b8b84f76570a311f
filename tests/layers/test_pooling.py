import numpy as np
import pytest
from one_layer import OneLayer, image

import caffelike
from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case, positive

VOLUMES = [
    Case(f"{{ {options} }}", [shape], tops=tops)
    for options, shape, tops in [
        ("kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2", (2, 3, 5, 6, 7), 2),
        ("kernel_size: 3 kernel_depth: 1 stride: 2 pad: 1", (1, 2, 3, 8, 7), 1),
        ("pool: AVE kernel_size: 3 kernel_depth: 2 stride: 2 pad: 1", (2, 2, 3, 6, 7), 1),
    ]
]
PLANES = [
    Case(f"pooling_param {{ {options} }}", [shape], tops=tops, phase=phase, inputs={"x": positive})
    for options, shape, tops, phase in [
        ("kernel_size: 2 stride: 2", (2, 3, 7, 9), 2, 0),
        ("kernel_size: 3 stride: 2 pad: 1", (2, 3, 13, 15), 1, 0),
        ("kernel_h: 1 kernel_w: 3 stride: 1", (1, 2, 5, 7), 1, 0),
        ("global_pooling: true", (2, 3, 5, 7), 1, 0),
        ("pool: AVE kernel_size: 3 stride: 2 pad: 1", (2, 3, 8, 9), 1, 0),
        ("pool: AVE kernel_size: 3 stride: 2 round_mode: FLOOR", (2, 3, 8, 10), 1, 0),
        ("pool: AVE kernel_size: 3 stride: 2 pad: 1 avg_include_pad: false ceil_mode: false", (2, 3, 8, 9), 1, 0),
        ("kernel_size: 2 stride: 2", (2, 2, 4, 5, 6), 2, 0),
        ("pool: AVE kernel_size_3d: [2, 3, 3] stride_3d: [1, 2, 2] pad_3d: [1, 1, 1]", (2, 2, 3, 5, 7), 1, 0),
        (
            "pool: AVE kernel_size_3d: [2, 3, 3] stride_3d: [2, 2, 1] pad_3d: [1, 1, 1] avg_include_pad: false",
            (1, 2, 4, 5, 7),
            1,
            0,
        ),
        ("pool: AVE global_pooling: true", (2, 3, 5, 7), 1, 0),
        ("pool: STOCHASTIC kernel_size: 3 stride: 2", (2, 3, 7, 9), 1, 1),
    ]
] + [
    # which value is taken depends on all of the window, so that nothing is differentiable there
    Case("pooling_param { pool: STOCHASTIC kernel_size: 3 }", [(2, 3, 7, 9)], inputs={"x": positive}),
]
CONTRACT = {
    "Pooling": PLANES,
    "Pooling3D": [
        Case(f"{m} {c.options}", c.shapes, c.tops) for c in VOLUMES for m in ("pooling3d_param", "pooling_param")
    ],
}

FLT_MAX = np.finfo(np.float32).max


def pool(options, shape, tops='top: "y"', phase=caffelike.TRAIN):
    return OneLayer(f'type: "Pooling" bottom: "x" {tops} pooling_param {{ {options} }}', phase, x=shape)


def test_max_worked_example():
    layer = pool("kernel_size: 2 stride: 2", (1, 1, 3, 4), 'top: "y" top: "mask"')
    y, mask = layer.forward(x=image([1, 5, 2, 2], [5, 0, 2, 2], [-3, -4, -1, -2]))
    assert y.tolist() == image([5, 2], [-3, -1]).tolist()
    assert mask.tolist() == image([1, 2], [8, 10]).tolist()  # the first of equals
    dx = layer.backward(image([1, 2], [3, 4]), 0)
    assert dx.tolist() == image([0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0]).tolist()


def test_max_adds_where_windows_overlap():
    layer = pool("kernel_h: 1 kernel_w: 2", (1, 1, 1, 3))
    layer.forward(x=image([1, 9, 1]))
    assert layer.backward(image([2, 3])).tolist() == image([0, 5, 0]).tolist()


def test_max_takes_no_nan_and_no_infinity_below():
    layer = pool("kernel_size: 1", (1, 1, 1, 3), 'top: "y" top: "mask"')
    y, mask = layer.forward(x=image([np.nan, -np.inf, -FLT_MAX]))
    assert y.tolist() == image([-FLT_MAX] * 3).tolist()
    assert mask.tolist() == image([-1, -1, -1]).tolist()
    assert layer.backward(image([1, 1, 1]), 0).tolist() == image([0, 0, 0]).tolist()


def test_average_divides_by_the_padded_window():
    layer = pool("pool: AVE kernel_size: 3 stride: 2 pad: 1", (1, 1, 4, 4))
    y = layer.forward(x=36)
    # rows -1..1, 1..3, and 3..4 (cut at the padded end): 2, 3, 1 rows inside of 3, 3, 2 counted
    assert y.tolist() == image([16, 24, 12], [24, 36, 18], [12, 18, 9]).tolist()
    dx = layer.backward(image([9, 0, 0], [0, 0, 0], [0, 0, 4]))
    assert dx.tolist() == image([1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]).tolist()


@pytest.mark.parametrize(
    ("size", "options", "out"),
    [
        (8, "kernel_size: 3 stride: 2", 4),
        (8, "kernel_size: 3 stride: 2 round_mode: FLOOR", 3),
        (7, "kernel_size: 2 stride: 2 pad: 1", 4),
        (5, "kernel_size: 1 stride: 3 ", 3),
        (2, "kernel_size: 3 stride: 2", 1),
        (8, "kernel_size: 3 stride: 2 ceil_mode: false", 3),
    ],
)
def test_sizes(size, options, out):
    assert pool(options, (1, 1, size, size)).net.blobs["y"].shape == (1, 1, out, out)


def test_average_without_the_pad_worked_example():
    layer = pool("pool: AVE kernel_size: 3 stride: 2 pad: 1 avg_include_pad: false", (1, 1, 4, 4))
    rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    # windows of 2x2, 2x3, 2x1; 3x2, 3x3, 3x1; 1x2, 1x3, 1x1 pixels
    assert layer.forward(x=image(*rows)).tolist() == image([3.5, 5, 6], [9.5, 11, 12], [13.5, 15, 16]).tolist()
    dx = layer.backward(image([4, 0, 2], [0, 9, 0], [2, 0, 7]))
    assert dx.tolist() == image([1, 1, 0, 1], [1, 2, 1, 2], [0, 1, 1, 1], [1, 2, 1, 8]).tolist()


def test_volumes_worked_example():
    """Caffe's Pooling, a slice of depth at a time where the window's depth is 1, and the largest of two slices at 2."""
    rng = np.random.default_rng(0)
    x = rng.permutation(60).reshape(1, 1, 3, 4, 5).astype(np.float32)

    def layer(message, depth, tops):
        options = f"kernel_size: 2 kernel_depth: {depth} stride: 2"
        return OneLayer(f'type: "Pooling3D" bottom: "x" {tops} {message} {{ {options} }}', x=x.shape)

    flat = layer("pooling3d_param", 1, 'top: "y"').forward(x=x)
    plane = pool("kernel_size: 2 stride: 2", (3, 1, 4, 5))
    assert flat[0, 0].tolist() == plane.forward(x=x[0, 0][:, None])[:, 0].tolist()
    y, mask = layer("pooling_param", 2, 'top: "y" top: "mask"').forward(x=x)
    assert y.tolist() == np.maximum(flat[:, :, :2], flat[:, :, 1:]).tolist()
    assert x.ravel()[mask.ravel().astype(int)].tolist() == y.ravel().tolist()


def test_a_window_beyond_the_image_is_empty():
    layer = pool("kernel_size: 1 stride: 3", (1, 1, 1, 5))
    assert layer.forward(x=image([1, 2, 3, 4, 5])).tolist() == image([1, 4, -FLT_MAX]).tolist()
    assert layer.backward(image([1, 1, 1])).tolist() == image([1, 0, 0, 1, 0]).tolist()


def test_average_of_an_empty_window():
    layer = pool("pool: AVE kernel_size: 1 stride: 2", (1, 1, 1, 4))
    np.testing.assert_array_equal(layer.forward(x=image([1, 2, 3, 4])), image([1, 3, np.nan]))
    assert layer.backward(image([1, 2, 3])).tolist() == image([1, 0, 2, 0]).tolist()


def test_global_pooling_follows_the_bottom():
    layer = pool("pool: AVE global_pooling: true", (1, 1, 2, 2))
    assert layer.forward(x=image([1, 2], [3, 6])).tolist() == [[[[3]]]]
    layer.net.blobs["x"].reshape(1, 1, 1, 3)
    assert layer.forward(x=image([1, 2, 6])).tolist() == [[[[3]]]]


def test_stochastic_takes_values_by_their_size():
    layer = pool("pool: STOCHASTIC kernel_size: 2 stride: 2", (1, 1, 2, 2000), 'top: "y" top: "mask"')
    x = np.tile([[1, 0], [0, 3]], (1, 1000))[None, None]
    y, mask = layer.forward(x=x)
    assert set(y.ravel().tolist()) == {1, 3}
    assert 0.70 < (y == 3).mean() < 0.80
    assert x.ravel()[mask.ravel().astype(int)].tolist() == y.ravel().tolist()
    again, _ = layer.forward(x=x)
    assert (again != y).any()
    dx = layer.backward(np.ones(y.shape), 0)
    assert dx.sum() == 1000
    assert dx.ravel()[layer.net.blobs["mask"].data.ravel().astype(int)].tolist() == [1] * 1000


def test_stochastic_weighs_while_testing():
    layer = pool("pool: STOCHASTIC kernel_size: 2", (1, 1, 2, 2), phase=caffelike.TEST)
    assert layer.forward(x=image([1, 0], [0, 3])).tolist() == [[[[2.5]]]]
    # d/dx of sum(x^2) / sum(x) = (2 x sum(x) - sum(x^2)) / sum(x)^2
    assert layer.backward(16).tolist() == image([-2, -10], [-10, 14]).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "needs kernel_size"),
        ("kernel_h: 2", "needs kernel_size"),
        ("kernel_size: 2 pad: 2", "must be smaller than the kernel"),
        ("global_pooling: true kernel_size: 2", "takes no kernel size"),
        ("global_pooling: true pad: 1", "stride 1 and pad 0"),
        ("kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1", "both given"),
        ("kernel_size: 2 stride: 0", "at least 1"),
        ("pool: STOCHASTIC kernel_size: 2 pad: 1", "STOCHASTIC cannot have pad"),
        ("pool: LOWRES kernel_size: 2", "pool: LOWRES"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=rf"Layer 'l' \(Pooling\).*{message}"):
        pool(options, (1, 1, 4, 4))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        pool("kernel_size: 1", (1, 1, 4))
    with pytest.raises(ShapeError, match="window of 5x5"):
        pool("kernel_size: 5", (1, 1, 3, 3))
    with pytest.raises(ModelError, match="AVE has no mask"):
        pool("pool: AVE kernel_size: 1", (1, 1, 3, 3), 'top: "y" top: "mask"')

import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import DataError, ModelError, ShapeError
from caffelike.schema import NetParameter, text
from caffelike.schema.upgrade import upgrade_net
from caffelike.testing import Case


def places(count):
    """Different places of each plane, none twice."""
    return lambda generator, shape: np.array(
        [generator.permutation(count)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])], float
    ).reshape(shape)


MASKED = {"inputs": {"second": places(63)}, "special": False}
SPREAD = {"special": False}  # the definition multiplies by matrices with zeros: NaN spreads

CONTRACT = [
    Case("unpooling_param { kernel_size: 2 stride: 2 unpool_h: 7 unpool_w: 9 }", [(2, 3, 4, 5)] * 2, **MASKED),
    Case("unpooling_param { kernel_size: 2 stride: 3 unpool_size: 9 }", [(2, 3, 3, 3)]),
    Case("unpooling_param { unpool: AVE kernel_size: 3 stride: 2 unpool_h: 9 unpool_w: 7 }", [(1, 2, 4, 4)], **SPREAD),
    Case("unpooling_param { unpool: TILE kernel_h: 3 kernel_w: 2 unpool_size: 6 }", [(1, 2, 4, 5)], **SPREAD),
    Case("unpooling_param { out_kernel_size: 3 out_stride: 2 out_pad: 2 }", [(2, 2, 4, 3)]),
    Case("unpooling_param { unpool: REP out_kernel_size: 3 out_stride: 2 out_pad: 1 }", [(2, 2, 4, 3)], **SPREAD),
    Case("unpooling_param { unpool: DIV out_kernel_h: 3 out_kernel_w: 2 out_stride: 1 }", [(2, 2, 4, 3)], **SPREAD),
    Case("unpooling_param { unpool: DIV }", [(2, 2, 4, 1), (2, 5, 11, 6)], **SPREAD),
]


def unpooling(options, *shapes, kind="Unpooling"):
    names = ["x", "second"][: len(shapes)]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    layer = f'type: "{kind}" {bottoms} top: "y" unpooling_param {{ {options} }} propagate_down: true'
    return OneLayer(layer + " propagate_down: false" * (len(shapes) - 1), **dict(zip(names, shapes, strict=True)))


def test_max_worked_example_with_a_mask():
    layer = unpooling("kernel_size: 2 stride: 2 unpool_size: 4", (1, 1, 2, 2), (1, 1, 2, 2))
    y = layer.forward(x=image([1, 2], [3, 4]), second=image([5, 2], [8, -1]))
    assert y.tolist() == image([0, 0, 2, 0], [0, 1, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]).tolist()
    assert layer.backward(np.arange(16).reshape(1, 1, 4, 4))[0].tolist() == image([5, 2], [8, 0]).tolist()


def test_max_worked_example_without_a_mask():
    layer = unpooling("kernel_size: 2 stride: 2 unpool_h: 4 unpool_w: 5", (1, 1, 2, 3))
    y = layer.forward(x=image([1, 2, 3], [4, 5, 6]))
    assert y.tolist() == image([1, 0, 2, 0, 3], [0] * 5, [4, 0, 5, 0, 6], [0] * 5).tolist()
    dx = layer.backward(np.arange(20).reshape(1, 1, 4, 5))
    assert dx.tolist() == image([0, 2, 4], [10, 12, 14]).tolist()


def test_spreading_worked_example():
    """Windows of 3 from columns 0 and 2 of 5, and one row: they share column 2."""
    x, dy = image([3, 6]), image([1, 2, 3, 4, 5])
    wanted = {
        "TILE kernel_h: 1 kernel_w: 3 stride: 2 unpool_h: 1 unpool_w: 5": ([3, 3, 9, 6, 6], [6, 12]),
        "AVE kernel_h: 1 kernel_w: 3 stride: 2 unpool_h: 1 unpool_w: 5": ([1, 1, 3, 2, 2], [2, 4]),
        "REP out_kernel_h: 1 out_kernel_w: 3 out_stride: 2": ([3, 3, 4.5, 6, 6], [4.5, 10.5]),
        "DIV out_kernel_h: 1 out_kernel_w: 3 out_stride: 2": ([1, 1, 1.5, 2, 2], [1.5, 3.5]),
        "FIXED out_kernel_h: 1 out_kernel_w: 3 out_stride: 2": ([0, 3, 0, 6, 0], [2, 4]),
    }
    for options, (y, dx) in wanted.items():
        layer = unpooling("unpool: " + options, x.shape)
        np.testing.assert_allclose(layer.forward(x=x).ravel(), y, rtol=1e-6, err_msg=options)
        np.testing.assert_allclose(layer.backward(dy).ravel(), dx, rtol=1e-6, err_msg=options)


def test_a_second_image_sets_the_window():
    layer = unpooling("unpool: REP", (1, 1, 1, 2), (1, 3, 4, 5), kind="UnPooling")
    # 4 rows from one: a window of 4; columns: windows of 3 at -0 and 3, 6 in all, none cut off
    y = layer.forward(x=image([1, 2]))
    assert y.tolist() == image(*[[1, 1, 1, 2, 2, 2]] * 4).tolist()


def test_the_type_of_old_definitions():
    net = text.parse('layers { name: "u" type: UNPOOLING bottom: "x" top: "y" }', NetParameter, "n").message
    upgrade_net(net)
    assert net.layer[0].type == "Unpooling"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("unpool_size: 4", "needs kernel_size"),
        ("kernel_size: 2", "needs unpool_size"),
        ("kernel_size: 2 kernel_h: 2 unpool_size: 4", "either kernel_size, or both"),
        ("kernel_size: 2 unpool_h: 2", "either unpool_size, or both"),
        ("kernel_size: 2 pad: 1 unpool_size: 4", "pad must be 0"),
        ("unpool: MAX out_kernel_size: 2", "unpool is MAX"),
        ("out_kernel_size: 2 out_pad: 2", "smaller than the kernel"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=rf"Layer 'l' \(Unpooling\).*{message}"):
        unpooling(options, (1, 1, 2, 2))


def test_shapes_and_masks_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        unpooling("kernel_size: 2 unpool_size: 4", (1, 2, 2))
    with pytest.raises(ShapeError, match="mask must be"):
        unpooling("kernel_size: 2 unpool_size: 4", (1, 1, 2, 2), (1, 1, 2, 3))
    with pytest.raises(DataError, match="place 16"):
        unpooling("kernel_size: 2 unpool_size: 4", (1, 1, 1, 1), (1, 1, 1, 1)).forward(x=1, second=16)

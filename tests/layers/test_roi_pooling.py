import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import DataError, LabelWarning, ModelError, ShapeError
from caffelike.kernels.cpu import roi_pooling as kernels
from caffelike.layers import roi_pooling as definition
from caffelike.testing import Case
from layers.regions import spread

CONTRACT = [
    Case("roi_pooling_param { pooled_h: 3 pooled_w: 2 }", [(5, 3, 9, 11), (5, 5)], inputs={"rois": spread()}),
    Case(
        "roi_pooling_param { pooled_h: 5 pooled_w: 4 spatial_scale: 0.5 }",
        [(2, 3, 7, 13), (6, 5, 1, 1)],
        inputs={"rois": spread(2, 26)},
        batch=False,
    ),
    Case("roi_pooling_param { pooled_size: [1, 2] }", [(3, 2, 5, 4), (3, 5)], inputs={"rois": spread()}),
]


def layer(options, kernels=False, x=(1, 1, 4, 6), rois=(2, 5)):
    return OneLayer(
        f'type: "ROIPooling" bottom: "x" bottom: "r" top: "y" roi_pooling_param {{ {options} }}',
        0,
        kernels,
        x=x,
        r=rois,
    )


@pytest.mark.parametrize("kernels", [False, True])
def test_worked_example(kernels):
    pool = layer("pooled_h: 2 pooled_w: 2 spatial_scale: 0.5", kernels)
    x = image([1, 2, 3, 4, 5, 6], [7, 8, 9, 9, 8, 7], [6, 5, 4, 3, 2, 1], [0, 0, 0, 0, 0, 0])
    # 1: x 1..3 (0.5 and 2.5 away from zero), y 0..2: cells of 1.5 pixels overlap in the middle.
    # 2: one pixel at (6, 3), right of the image.
    y = pool.forward(x=x, r=[[0, 1, 0, 5, 4], [0, 12, 6, 12, 6]])
    assert y.tolist() == [[[[9, 9], [9, 9]]], [[[0, 0], [0, 0]]]]
    dx, dr = pool.backward([[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]])
    # the first of the two 9 for the left cells and, as it is in them too, the right ones
    assert dx.tolist() == image([0] * 6, [0, 0, 10, 0, 0, 0], [0] * 6, [0] * 6).tolist()
    assert not dr.any()


def test_refused():
    with pytest.raises(ModelError, match="pooled_h and pooled_w must be at least 1"):
        layer("pooled_h: 2")
    with pytest.raises(ShapeError, match=r"needs regions \(R, 5\).*'r' is \(2, 4\)"):
        layer("pooled_h: 2 pooled_w: 2", rois=(2, 4))
    with pytest.raises(ShapeError, match=r"images of 4 axes.*'x' is \(1, 4, 6\)"):
        layer("pooled_h: 2 pooled_w: 2", x=(1, 4, 6))


@pytest.mark.parametrize("kernels", [False, True])
def test_a_region_of_no_item(kernels):
    pool = layer("pooled_h: 2 pooled_w: 2", kernels)
    with pytest.raises(DataError, match="region 1 belongs to item 3, but the batch has items 0 to 0"):
        pool.forward(r=[[0, 0, 0, 1, 1], [3, 0, 0, 1, 1]])


def test_made_up_regions_of_a_test_nets_input_are_those_of_the_nearest_item():
    layer = OneLayer(
        'type: "ROIPooling" bottom: "x" bottom: "rois" top: "y" roi_pooling_param { pooled_h: 1 pooled_w: 1 }',
        phase=1, x=(2, 1, 2, 2), rois=(2, 5),
    )  # fmt: skip
    x = np.arange(8).reshape(2, 1, 2, 2)
    with pytest.warns(LabelWarning, match="belongs to item -3"):
        y = layer.forward(x=x, rois=[[-3, 0, 0, 1, 1], [9, 0, 0, 1, 1]])
    assert y.ravel().tolist() == [3, 7]


def test_many_regions_together():
    """As one region after the other: in two images, with channels beyond a block and values that are no number."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 37, 6, 8)).astype(np.float32)
    x[0, 1, 2:4, 3] = np.nan
    x[1, 36, :, :] = -np.inf
    rois = np.column_stack([rng.integers(0, 2, 40), rng.integers(-3, 16, (40, 4))]).astype(np.float32)
    y = np.empty((40, 37, 3, 2), np.float32)
    expected = np.empty_like(y)
    options = {"pooled_h": 3, "pooled_w": 2, "spatial_scale": 0.5}
    definition.forward(x, rois, expected, None, **options)
    kernels.forward(x, rois, y, None, **options)
    np.testing.assert_array_equal(y, expected)
    for r in range(0, 40, 9):
        kernels.forward(x, rois[r : r + 1], y[r : r + 1], None, **options)
    np.testing.assert_array_equal(y, expected)

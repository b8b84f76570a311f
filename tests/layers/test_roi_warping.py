import numpy as np
from one_layer import OneLayer

from caffelike.testing import Case
from layers.regions import spread

# Corners are rounded, so that nothing is differentiable by them; test_worked_example has their gradient.
CONTRACT = [
    Case(
        "roi_warping_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.5 }",
        [(5, 3, 9, 11), (5, 5)],
        inputs={"rois": spread(1, 22)},
        differentiable=False,
    ),
]


def test_worked_example():
    options = "roi_warping_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 }"
    text = f'type: "ROIWarping" bottom: "x" bottom: "r" top: "y" {options}'
    layer = OneLayer(text, x=(1, 1, 4, 5), r=(2, 5))
    plane = 10 * np.arange(4)[:, None] + np.arange(5)
    # 1: x from 1 (0.5 and 1.5 away from 0) to 4, y 0..1; its places are at columns 1, 2.5 and rows 0, 0.5. 2: outside.
    y = layer.forward(x=plane, r=[[0, 1, 0, 7.2, 2], [0, 20, 20, 30, 30]])
    assert y.tolist() == [[[[1, 2.5], [6, 7.5]]], [[[0, 0], [0, 0]]]]
    dx, dr = layer.backward([[[[1, 2], [4, 8]]], [[[1, 1], [1, 1]]]])
    assert dx[0, 0].tolist() == [[0, 3, 3, 3, 0], [0, 2, 2, 2, 0], [0] * 5, [0] * 5]
    # a step to the right changes each value by 1, one down by 10; the second column's and row's count by halves
    assert dr[0].tolist() == [0, 0.5 * (5 + 5), 0.5 * (30 + 60), 0.5 * 5, 0.5 * 60]
    assert not dr[1].any()
    # the pixels' gradient is the derivative: y is linear in them
    rng = np.random.default_rng(0)
    other, dy = rng.standard_normal((4, 5)), rng.standard_normal((2, 1, 2, 2))
    value = (layer.forward(x=other) * dy).sum()
    assert np.isclose((layer.backward(dy)[0] * other).sum(), value, rtol=1e-5)

import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.testing import Case
from layers.regions import spread

# A NaN spreads over a whole product with weights of 0 in the definition, not in the kernel.
CONTRACT = [
    Case(
        "roi_align_param { pooled_h: 3 pooled_w: 2 }",
        [(5, 3, 9, 11), (5, 5)],
        inputs={"rois": spread()},
        special=False,
    ),
    Case(
        "roi_align_param { pooled_h: 5 pooled_w: 4 spatial_scale: 0.5 }",
        [(2, 3, 7, 13), (6, 5, 1, 1)],
        inputs={"rois": spread(2, 26)},
        batch=False,
        special=False,
    ),
]


@pytest.mark.parametrize("kernels", [False, True])
def test_worked_example(kernels):
    """Over a plane 10 h + w each cell is the plane's value at its middle, up to where the image ends."""
    text = 'type: "ROIAlign" bottom: "x" bottom: "r" top: "y" roi_align_param { pooled_h: 2 pooled_w: 3 }'
    align = OneLayer(text, 0, kernels, x=(1, 1, 5, 6), r=(3, 5))
    plane = 10 * np.arange(5)[:, None] + np.arange(6)
    y = align.forward(x=plane, r=[[0, 0.5, 1, 3.5, 3], [0, -4, 0, -3, 1], [0, 4, 3, 7, 5]])
    assert y[0, 0].tolist() == [[16, 17, 18], [26, 27, 28]]
    assert not y[1].any()  # more than a pixel outside
    # columns 4.5, 5.5 (the border's 5), 6.5 (outside); rows 3.5, 4.5 (the border's 4)
    assert y[2, 0].tolist() == [[39.5, 40, 0], [44.5, 45, 0]]
    dx, dr = align.backward([[[[0, 4, 0], [0, 0, 0]]], [[[1] * 3] * 2], [[[0, 0, 0], [8, 1, 3]]]])
    want = image([0] * 6, [0, 0, 2, 0, 0, 0], [0, 0, 2, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 4, 5])
    assert dx.tolist() == want.tolist()
    assert not dr.any()

import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case
from layers.regions import spread

CONTRACT = [
    Case(
        "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 1 }",
        [(5, 18, 9, 11), (5, 5)],
        inputs={"rois": spread()},
    ),
    Case(
        "psroi_pooling_param { output_dim: 3 group_size: 2 spatial_scale: 0.25 }",
        [(2, 12, 7, 13), (6, 5, 1, 1)],
        inputs={"rois": spread(2, 40)},
        batch=False,
    ),
]


def layer(options, kernels=False, x=(1, 4, 3, 3)):
    text = f'type: "PSROIPooling" bottom: "x" bottom: "r" top: "y" psroi_pooling_param {{ {options} }}'
    return OneLayer(text, 0, kernels, x=x, r=(2, 5))


@pytest.mark.parametrize("kernels", [False, True])
def test_worked_example(kernels):
    pool = layer("output_dim: 1 group_size: 2 spatial_scale: 1", kernels)
    x = [[[[10 * c + 3 * h + w for w in range(3)] for h in range(3)] for c in range(4)]]
    # 1: pixels 0..2, cells of 1.5: rows 0..1 and 1..2, of channels 0 to 3. 2: beyond the image.
    y = pool.forward(x=x, r=[[0, 0, 0, 2, 2], [0, 7, 7, 8, 8]])
    assert y.tolist() == [[[[2, 13], [25, 36]]], [[[0, 0], [0, 0]]]]
    dx, dr = pool.backward([[[[4, 8], [12, 16]]], [[[5, 6], [7, 8]]]])
    assert dx.tolist() == [
        [
            [[1, 1, 0], [1, 1, 0], [0, 0, 0]],
            [[0, 2, 2], [0, 2, 2], [0, 0, 0]],
            [[0, 0, 0], [3, 3, 0], [3, 3, 0]],
            [[0, 0, 0], [0, 4, 4], [0, 4, 4]],
        ]
    ]
    assert not dr.any()


def test_refused():
    with pytest.raises(ModelError, match="needs output_dim and group_size of at least 1"):
        layer("output_dim: 1 spatial_scale: 1")
    with pytest.raises(ShapeError, match=r"group_size 3 need 9 channels, but 'x' is \(1, 4, 3, 3\)"):
        layer("output_dim: 1 group_size: 3 spatial_scale: 1")

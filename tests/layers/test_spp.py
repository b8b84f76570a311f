import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("spp_param { pyramid_height: 2 }", [(2, 3, 7, 9)]),
    Case("spp_param { pyramid_height: 3 pool: AVE }", [(2, 3, 8, 9)]),
]


def spp(options, shape):
    return OneLayer(f'type: "SPP" bottom: "x" top: "y" spp_param {{ {options} }}', x=shape)


def test_max_worked_example():
    layer = spp("pyramid_height: 2", (1, 2, 2, 2))
    x = np.array([[[1, 2], [3, 4]], [[8, 7], [6, 5]]])[None]
    assert layer.forward(x=x).tolist() == [[4, 8, 1, 2, 3, 4, 8, 7, 6, 5]]
    dx = layer.backward([[10, 20, 1, 1, 1, 1, 1, 1, 1, 1]])
    assert dx.tolist() == [[[[1, 1], [1, 11]], [[21, 1], [1, 1]]]]


def test_average():
    layer = spp("pyramid_height: 2 pool: AVE", (1, 1, 2, 2))
    assert layer.forward(x=image([1, 2], [3, 6])).tolist() == [[3, 1, 2, 3, 6]]
    assert layer.backward([[4, 0, 0, 0, 1]]).tolist() == image([1, 1], [1, 2]).tolist()


def test_one_level_keeps_four_axes():
    layer = spp("pyramid_height: 1", (2, 3, 4, 5))
    assert layer.net.blobs["y"].shape == (2, 3, 1, 1)


def test_any_image_size_gives_the_same_length():
    layer = spp("pyramid_height: 3", (1, 2, 12, 9))
    assert layer.net.blobs["y"].shape == (1, 42)
    layer.net.blobs["x"].reshape(1, 2, 20, 31)
    assert layer.forward(x=1).tolist() == [[1] * 42]


def test_stochastic_draws_in_every_level():
    layer = spp("pyramid_height: 2 pool: STOCHASTIC", (1, 1, 2, 2))
    y = layer.forward(x=image([1, 2], [3, 4]))
    assert y[0, 0] in (1, 2, 3, 4)
    assert y[0, 1:].tolist() == [1, 2, 3, 4]


def test_refused():
    with pytest.raises(ModelError, match="pyramid_height"):
        spp("", (1, 1, 4, 4))
    with pytest.raises(ModelError, match="must be smaller than the kernel"):
        spp("pyramid_height: 3", (1, 1, 5, 5))

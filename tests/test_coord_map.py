import numpy as np
import pytest

from caffelike import NetSpec
from caffelike import layers as L
from caffelike.coord_map import (
    AxisMismatchException,
    CropError,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)
from caffelike.errors import CaffelikeError


def chain(conv=None, stride=2, dpad=0):
    """data -> convolution -> pooling by `stride` -> relu -> deconvolution by 2."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=2, **(conv or {"kernel_size": 3}))
    n.pool = L.Pooling(n.conv, kernel_size=stride, stride=stride)
    n.relu = L.ReLU(n.pool)
    n.up = L.Deconvolution(n.relu, convolution_param={"num_output": 2, "kernel_size": 4, "stride": 2, "pad": dpad})
    return n


def numbers(found):
    axis, scale, shift = found
    return axis, np.ravel(scale).tolist(), np.ravel(shift).tolist()


def test_worked_by_hand():
    n = chain({"kernel_size": 5, "stride": 2, "pad": 1, "dilation": 3})
    # extent 13: output i sees inputs 2i - 1 .. 2i + 11, its centre is 2i + 5, so i = 0.5 x - 2.5
    assert numbers(coord_map(n.conv.fn)) == (1, [0.5], [-2.5])
    assert numbers(coord_map(n.pool.fn)) == (1, [0.5], [-0.25])
    assert numbers(coord_map(n.up.fn)) == (1, [2], [1.5])
    assert numbers(coord_map(n.relu.fn)) == (None, [1], [0])
    assert numbers(coord_map_from_to(n.conv, n.data)) == (1, [2], [5])
    assert numbers(coord_map_from_to(n.data, n.conv)) == (1, [0.5], [-2.5])
    assert numbers(inverse((1, 2, 5))) == (1, [0.5], [-2.5])


def test_a_crop_aligns_what_was_pooled_and_scaled_up():
    n = chain({"kernel_size": 3, "pad": 10})
    cut = crop(n.up, n.data)
    assert cut.fn.params["crop_param"] == {"axis": 2, "offset": [10]}
    # The map through the crop is the identity: both tops lie on each other.
    assert numbers(coord_map_from_to(cut, n.data)) == (1, [1], [0])


def test_each_axis_by_itself_and_two_ways_meet():
    n = chain({"kernel_size": [3, 5], "pad": [1, 2], "stride": [1, 2]})
    assert numbers(coord_map(n.conv.fn)) == (1, [1, 0.5], [0, 0])
    n.other = L.Convolution(n.relu, num_output=2, kernel_size=3, pad=1, stride=2)
    axis, scale, shift = coord_map_from_to(n.other, n.up)
    assert (axis, scale.tolist(), shift.tolist()) == (1, [4], [1.5])


def test_what_cannot_be_mapped_or_cropped():
    n = chain()
    n.ip = L.InnerProduct(n.up, num_output=2)
    with pytest.raises(CaffelikeError, match="connected by spatial layers"):
        coord_map_from_to(n.ip, n.data)
    with pytest.raises(UndefinedMapException, match="InnerProduct"):
        coord_map(n.ip.fn)
    with pytest.raises(AxisMismatchException):
        compose((1, 1, 0), (2, 1, 0))
    for m, message in (
        (chain(stride=3), "scale mismatch"),
        (chain(dpad=8), "negative width"),
        (chain({"kernel_size": 4, "pad": 10}), "noninteger"),
        (chain({"kernel_h": 3, "kernel_w": 3}), "_h and _w"),
    ):
        with pytest.raises(AssertionError, match=message) as found:
            crop(m.up, m.data)
        assert found.type is CropError

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("nms_param { num_parts: 2 max_peaks: 4 threshold: 0.2 }", [(2, 3, 9, 8)]),
    Case("nms_param { num_parts: 1 }", [(1, 1, 2, 5)]),  # all border
]


def peaks(options="", shape=(1, 2, 7, 9)):
    return OneLayer(f'type: "Nms" bottom: "x" top: "y" nms_param {{ num_parts: 2 {options} }}', x=shape)


def test_worked_example():
    x = np.zeros((2, 7, 9))
    x[0, 2, 3], x[0, 2, 4], x[0, 3, 3] = 0.8, 0.4, 0.4
    x[0, 5, 7], x[0, 5, 0] = 0.6, 0.9  # the border's is none
    x[1, 1, 1], x[1, 0, 1] = 0.7, 0.3  # row 0 does not count for its place
    x[1, 4, 4] = x[1, 4, 5] = 0.9  # equals are no peaks
    y = peaks("max_peaks: 3").forward(x=x[None])
    want = np.zeros((2, 4, 3))
    want[0, :3] = [[2, 0, 0], [(3 * 0.8 + 4 * 0.4 + 3 * 0.4) / 1.6, (2 * 1.2 + 3 * 0.4) / 1.6, 0.8], [5.8, 3.8, 0.6]]
    # the second one's place is half way to the 0.4 at (4, 2), which is just 3 pixels off
    want[1, :2] = [[1, 0, 0], [1, 1, 0.7]]
    want[1, 1, :2] = (0.7 + 4 * 0.9) / 1.6  # (4, 4) is 3 pixels off, (5, 4) is not
    np.testing.assert_allclose(y[0], want, rtol=1e-6)


def test_more_peaks_than_places():
    x = np.zeros((1, 2, 7, 9))
    x[0, 0, 1::2, 1::2] = 1
    y = peaks("max_peaks: 2").forward(x=x)
    assert y[0, 0, 0].tolist() == [12, 0, 0]
    assert y[0, 0, 1:, 2].tolist() == [1, 1]


def test_refused():
    with pytest.raises(ShapeError, match=r"at least 2 channels, but the bottom is \(1, 1, 7, 9\)"):
        peaks(shape=(1, 1, 7, 9))
    with pytest.raises(ModelError, match="max_peaks must be at least 1"):
        peaks("max_peaks: 0")

import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ShapeError
from caffelike.testing import Case


def between(generator, shape):
    """Flows that end between pixels, some of them outside."""
    return generator.integers(-3, 4, shape) + generator.uniform(0.1, 0.9, shape)


CONTRACT = [
    Case("", [(2, 3, 5, 7), (2, 2, 5, 7)], inputs={"flow": between}, special=False),
    Case("", [(1, 2, 13, 15), (1, 2, 13, 15)], inputs={"flow": between}, special=False),
]
TEXT = 'type: "FlowWarp" bottom: "image" bottom: "flow" top: "y" flow_warp_param { %s }'


def test_worked_example():
    layer = OneLayer(TEXT.replace("%s", ""), image=(1, 1, 2, 3), flow=(1, 2, 2, 3))
    u, v = [[0.5, 1, 0.5], [0, -0.25, -3]], [[0, 0, 0], [0.5, -1, 0]]
    y = layer.forward(image=image([1, 2, 4], [10, 20, 40]), flow=np.array([[u, v]]))
    # (0.5, 0) (2, 0) (2.5, 0): on the edge; (0, 1.5): below, the last row goes on; (0.75, 0); outside
    assert y.tolist() == image([1.5, 4, 4], [10, 1.75, 0]).tolist()
    dimage, dflow = layer.backward(image([2, 1, 10], [100, 4, 9]))
    assert dimage.tolist() == image([1 + 1, 1 + 3, 1 + 10], [100, 0, 0]).tolist()
    assert dflow[0, 0].tolist() == [[2, 0, 0], [100 * 10, 4, 0]]
    assert dflow[0, 1].tolist() == [[2 * 13.5, 36, 360], [0, 4 * 15.75, 0]]


def test_outside_is_no_number_if_asked_for():
    layer = OneLayer(TEXT.replace("%s", "fill_value: NOT_A_NUMBER"), image=(1, 2, 1, 2), flow=(1, 2, 1, 2))
    y = layer.forward(image=1, flow=np.array([[[[0, 1]], [[0, 0]]]]))
    np.testing.assert_array_equal(y, [[[[1, np.nan]], [[1, np.nan]]]])


def test_shapes_refused():
    with pytest.raises(ShapeError, match=r"a flow \(N, 2, H, W\)"):
        OneLayer(TEXT.replace("%s", ""), image=(1, 1, 2, 3), flow=(1, 1, 2, 3))

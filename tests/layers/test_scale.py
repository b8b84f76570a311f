import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("scale_param { bias_term: true }", [(2, 3, 13)]),
    Case("scale_param { axis: 0 num_axes: -1 bias_term: true }", [(2, 3)], batch=False),
    Case("scale_param { axis: 2 num_axes: 1 bias_term: true }", [(2, 3, 4, 5)]),
    Case("scale_param { axis: -2 num_axes: 2 }", [(2, 3, 4, 15)]),
    Case("scale_param { num_axes: 0 bias_term: true }", [(2, 3, 4)]),
    Case("scale_param { axis: 0 }", [(2, 3, 5), (2,)]),
    Case("scale_param { bias_term: true }", [(2, 3, 5, 7), (3, 5)]),
    Case("scale_param { bias_term: true }", [(2, 3, 5), ()]),
    Case(shapes=[(2, 127)]),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = OneLayer(f'type: "Scale" bottom: "x" top: "{top}" scale_param {{ bias_term: true }}', x=(2, 2))
    assert [layer.param(i).data.tolist() for i in range(2)] == [[1, 1], [0, 0]]
    assert layer.forward(x=[[1, 2], [3, 4]], p0=[10, 100], p1=[5, 6]).tolist() == [[15, 206], [35, 406]]
    assert layer.backward([[1, 2], [3, 4]]).tolist() == [[10, 200], [30, 400]]
    assert layer.param(0).diff.tolist() == [10, 20]
    assert layer.param(1).diff.tolist() == [4, 6]


def test_second_bottom():
    layer = OneLayer('type: "Scale" bottom: "x" bottom: "s" top: "y" scale_param { axis: 0 }', x=(2, 2), s=(2,))
    assert layer.forward(x=[[1, 2], [3, 4]], s=[10, 100]).tolist() == [[10, 20], [300, 400]]
    for _ in range(2):  # a bottom's gradient is overwritten
        dx, ds = layer.backward([[1, 2], [3, 4]])
        assert (dx.tolist(), ds.tolist()) == ([[10, 20], [300, 400]], [5, 25])


@pytest.mark.parametrize(
    ("options", "message"),
    [("num_axes: 3", "needs a bottom of 4 axes"), ("axis: 3", "axis is 3"), ("num_axes: -2", "num_axes is -2")],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=message):
        OneLayer(f'type: "Scale" bottom: "x" top: "y" scale_param {{ {options} }}', x=(2, 3, 4))


def test_shapes_refused():
    with pytest.raises(ShapeError, match=r"scale of shape \(4,\) does not fit the axes from 1 on"):
        OneLayer('type: "Scale" bottom: "x" bottom: "s" top: "y"', x=(2, 3), s=(4,))
    layer = OneLayer('type: "Scale" bottom: "x" top: "y"', x=(2, 3))
    layer.net.blobs["x"].reshape(2, 4)
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        layer.forward()

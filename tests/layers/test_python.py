import sys

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError

MODULE = """
import caffelike as caffe

class Times(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.blobs.add_blob(1)
        self.phase_seen = self.phase

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff
        self.blobs[0].diff[...] += top[0].diff.sum()

class Empty(caffe.Layer):
    pass

class Broken(caffe.Layer):
    def reshape(self, bottom, top):
        raise ValueError("no such thing")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(MODULE)
    (tmp_path / "half_there.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_layers"
    sys.modules.pop("my_layers", None)


def layer(options, phase=caffelike.TRAIN):
    return OneLayer(f'type: "Python" bottom: "x" top: "y" python_param {{ {options} }}', phase, x=(2,))


def test_worked_example(module):
    times = layer('module: "my_layers" layer: "Times" param_str: "3"', caffelike.TEST)
    assert times.forward(x=[1, 2], p0=10).tolist() == [13, 16]
    assert times.backward([1, 10]).tolist() == [3, 30]
    assert times.param(0).diff.tolist() == [11]
    assert times.layer.phase_seen == caffelike.TEST
    assert times.layer.name == "l"
    assert times.layer.param_str_ == "3"  # as in 2015


def test_reshape_follows_the_bottom(module):
    times = layer('module: "my_layers" layer: "Times" param_str: "2"')
    times.net.blobs["x"].reshape(3)
    assert times.forward(x=[1, 2, 3]).tolist() == [2, 4, 6]


def test_module_or_class_not_found(module):
    with pytest.raises(ModelError, match=r"Layer 'l' \(Python\): there is no Python module 'no_such'.*PYTHONPATH"):
        layer('module: "no_such" layer: "Times"')
    with pytest.raises(ModelError, match=r"'half_there' was found, but it imports 'not_there_at_all'"):
        layer('module: "half_there" layer: "Times"')
    with pytest.raises(ModelError, match=r"has no class 'Time'\. Did you mean 'Times'"):
        layer('module: "my_layers" layer: "Time"')
    with pytest.raises(ModelError, match="needs python_param"):
        layer("")


def test_exceptions_name_the_layer(module):
    with pytest.raises(ValueError, match="no such thing") as error:
        layer('module: "my_layers" layer: "Broken"')
    assert error.value.__notes__ == ["in layer 'l' (Python, my_layers)"]
    with pytest.raises(NotImplementedError, match="Empty has no method reshape"):
        layer('module: "my_layers" layer: "Empty"')


def test_a_layer_can_be_made_by_itself():
    class Mine(caffelike.Layer):
        def forward(self, bottom, top):
            top[0].data[...] = 2 * bottom[0].data

    x, y = caffelike.Blob((2,)), caffelike.Blob((2,))
    x.data[...] = [1, 2]
    Mine().forward([x], [y])
    assert np.array_equal(y.data, [2, 4])

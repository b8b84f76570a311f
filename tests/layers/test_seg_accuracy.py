import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import LabelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [Case("", [(2, 3, 4, 5), (2, 1, 4, 5)], inputs={"label": labels(3)}, differentiable=False, empty=False)]


def accuracy(options="", classes=3, shape=(1, 1, 2, 3)):
    text = f'type: "SegAccuracy" bottom: "x" bottom: "label" top: "y" seg_accuracy_param {{ {options} }}'
    return OneLayer(text, x=(1, classes, *shape[2:]), label=shape)


def scores(guess, classes=3):
    return np.eye(classes)[np.array(guess)].transpose(2, 0, 1)[None]


def test_worked_example():
    layer = accuracy("ignore_label: 255")
    y = layer.forward(x=scores([[0, 0, 1], [1, 1, 0]]), label=image([0, 1, 1], [1, 0, 255]))
    # 3 of 5; class 0: 1 of 2, class 1: 2 of 3; unions 3 and 4; class 2 is nowhere
    np.testing.assert_allclose(y.ravel(), [3 / 5, (1 / 2 + 2 / 3) / 2, (1 / 3 + 2 / 4 + 1) / 3], rtol=1e-6)


def test_counts_add_up_without_reset():
    layer = accuracy("reset: false", shape=(1, 1, 1, 1))
    assert layer.forward(x=scores([[0]]), label=image([0]))[0, 0, 0, 0] == 1
    assert layer.forward(x=scores([[0]]), label=image([1]))[0, 0, 0, 0] == 0.5


def test_one_channel_is_a_probability():
    layer = accuracy(classes=1, shape=(1, 1, 1, 4))
    y = layer.forward(x=image([0.6, 0.5, 0.4, 0.9]), label=image([1, 1, 0, 0]))
    np.testing.assert_allclose(y.ravel(), [0.5, 0.5, 1 / 3], rtol=1e-6)


def test_all_ignored():
    layer = accuracy("ignore_label: 1 ignore_label: 7")
    assert layer.forward(x=0, label=image([1, 7, 1], [7, 7, 7])).ravel().tolist() == [0, 0, 1]


def test_refused():
    with pytest.raises(LabelError, match="label of item 0 of the batch is 3"):
        accuracy().forward(x=0, label=3)
    with pytest.raises(ShapeError, match="labels"):
        accuracy(shape=(1, 2, 2, 3))

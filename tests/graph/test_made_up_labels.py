"""A TEST net whose labels are inputs runs on made-up numbers, with a warning; nothing is learned from them."""

import numpy as np
import pytest

import caffelike
from caffelike.errors import LabelError, LabelWarning
from caffelike.schema import NetParameter, text

NET = """force_backward: true
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 3 dim: 4 } shape { dim: 3 } } }
layer { name: "twice" type: "Power" bottom: "x" top: "s" power_param { scale: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "s" bottom: "label" top: "loss" }
layer { name: "right" type: "Accuracy" bottom: "s" bottom: "label" top: "right" }
"""
X = np.arange(12).reshape(3, 4) % 5


def net(phase, definition=NET):
    made = caffelike.Net.build(text.parse(definition, NetParameter, "n").message, phase)
    made.blobs["x"].data[...] = X
    return made


def test_the_number_where_a_label_points():
    made = net(caffelike.TEST)
    made.blobs["label"].data[...] = [0, -2.5, 6]
    with pytest.warns(LabelWarning) as caught:
        made.forward()
    first, second = (str(warning.message) for warning in caught)
    assert "'loss' (SoftmaxWithLoss): The label of item 1 of the batch is -2.5" in first
    assert "the numbers mean nothing" in first
    assert "'right' (Accuracy)" in second
    assert "nearest class" in second
    scores = np.exp(2 * X)
    p = (scores / scores.sum(axis=1, keepdims=True)).ravel()
    # of the first item class 0; two numbers before the second item's; behind the last: the last
    np.testing.assert_allclose(made.blobs["loss"].data, -np.log(p[[0, 2, 11]]).mean(), rtol=1e-5)
    assert made.blobs["label"].data.tolist() == [0, -2.5, 6]  # what was given stays
    right = float(made.blobs["right"].data)
    made.blobs["label"].data[...] = [0, 0, 3]
    made.forward()
    assert float(made.blobs["right"].data) == right


def test_nothing_is_learned_from_them():
    made = net(caffelike.TEST)
    made.blobs["label"].data[...] = [0, 9, 0]
    with pytest.warns(LabelWarning):
        made.forward()
    with pytest.raises(LabelError):
        made.backward()
    train = net(caffelike.TRAIN)
    train.blobs["label"].data[...] = 9
    with pytest.raises(LabelError):
        train.forward()


def test_labels_from_data_are_taken_in_earnest():
    data = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 4 } } }
layer { name: "y" type: "DummyData" top: "label" dummy_data_param { shape { dim: 3 } data_filler { value: 9 } } }
"""
    made = net(caffelike.TEST, data + "\n".join(NET.splitlines()[2:]))
    with pytest.raises(LabelError, match="label of item 0"):
        made.forward()


def test_indexes_too():
    definition = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 4 } } }
layer { name: "e" type: "Embed" bottom: "x" top: "y" embed_param { num_output: 2 input_dim: 3 bias_term: false
        weight_filler { type: "uniform" } } }"""
    made = net(caffelike.TEST, definition)
    with pytest.warns(LabelWarning, match="outside 0 to 2"):
        made.forward()
    rows = np.concatenate([made.params["e"][0].data, np.zeros((2, 2))])
    np.testing.assert_array_equal(made.blobs["y"].data, rows[X])

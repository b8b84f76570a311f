import pytest

from caffelike.errors import ModelError
from caffelike.graph.definition import Definition
from caffelike.graph.splits import insert_splits
from caffelike.schema import NetParameter, text


def split(source):
    message = text.parse(source, NetParameter).message
    return [d.message for d in insert_splits([Definition(layer, "f:1") for layer in message.layer])]


DATA = 'layer { name: "d" type: "Input" top: "data" top: "label" }\n'


def relu(name, bottom, top=None):
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top or name}" }}\n'


def test_a_blob_read_once_gets_no_split():
    layers = split(DATA + relu("r", "data"))
    assert [layer.name for layer in layers] == ["d", "r"]


def test_a_blob_read_twice_is_split_with_caffes_names():
    layers = split(DATA + relu("a", "label") + relu("b", "label"))
    assert [layer.name for layer in layers] == ["d", "label_d_1_split", "a", "b"]
    assert layers[1].type == "Split"
    assert list(layers[1].top) == ["label_d_1_split_0", "label_d_1_split_1"]
    assert layers[2].bottom[0] == "label_d_1_split_0"
    assert layers[3].bottom[0] == "label_d_1_split_1"


def test_an_in_place_layer_starts_a_new_life_of_the_blob():
    layers = split(DATA + relu("r", "data", "data") + relu("a", "data") + relu("b", "data"))
    assert [layer.name for layer in layers] == ["d", "r", "data_r_0_split", "a", "b"]


def test_an_explicit_loss_weight_counts_as_a_reader_and_moves_to_the_split():
    layers = split(
        DATA
        + """layer { name: "l" type: "EuclideanLoss" bottom: "data" bottom: "label" top: "loss" loss_weight: 0.5 }
             layer { name: "s" type: "Silence" bottom: "loss" }"""
    )
    assert [layer.name for layer in layers] == ["d", "l", "loss_l_0_split", "s"]
    assert list(layers[2].loss_weight) == [0.5, 0]
    assert list(layers[1].loss_weight) == [0]
    assert layers[3].bottom[0] == "loss_l_0_split_1"


def test_the_callers_messages_stay_as_they_are():
    message = text.parse(
        DATA + relu("a", "data") + relu("b", "data"),
        NetParameter,
    ).message
    insert_splits([Definition(layer) for layer in message.layer])
    assert message.layer[1].bottom[0] == "data"


def test_a_bottom_nobody_makes_is_named_with_near_names():
    with pytest.raises(
        ModelError, match=r"f:1: Unknown bottom blob 'dta' \(layer 'r', bottom index 0\).* Did you mean 'data'"
    ):
        split(DATA + relu("r", "dta"))

import gain_plugin
import numpy as np
import pytest

import caffelike
from caffelike.errors import CaffelikeError, ModelError, ParseError
from caffelike.plugins import load, register_layer
from caffelike.schema import LayerParameter, NetParameter, text

X = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }\n'
GAIN = 'layer { name: "g" type: "Gain" bottom: "x" top: "g" gain_param { factor: 4 sizes: 3 sizes: 5 } }\n'


def build(source):
    return caffelike.Net.build(text.parse("force_backward: true " + source, NetParameter, "net.prototxt").message, 0)


def test_a_users_type_and_its_parameters_work_from_prototxt():
    net = build(X + GAIN + 'layer { name: "d" type: "Gain" bottom: "g" top: "g" }')
    assert net.forward(x=[1, 2])["g"].tolist() == [6, 12]
    assert net.backward(g=np.ones(2))["x"].tolist() == [6, 6]
    assert gain_plugin.Gain.param == "gain_param"


def test_options_have_their_defaults_and_types():
    layer = text.parse(GAIN.removeprefix("layer {").rstrip()[:-1], LayerParameter).message
    from caffelike.schema.plugins import options_of

    options = options_of(layer, "gain_param")
    assert (options.factor, options.mode, list(options.sizes), options.on) == (4, "linear", [3, 5], True)


def test_a_misspelt_option_is_explained_with_its_place():
    with pytest.raises(ParseError, match=r"net\.prototxt:2:\d+: .*has no field facto; did you mean factor"):
        build(X + GAIN.replace("factor", "facto"))


def test_the_message_of_a_plugin_that_is_not_loaded_leads_to_it():
    with pytest.raises(ParseError, match=r"has no field squish_param.* name its module with --plugin or import it"):
        build(X + 'layer { name: "s" type: "Squish" bottom: "x" top: "y" squish_param { strength: 2 } }')


def test_text_of_a_plugin_reads_back():
    message = text.parse(X + GAIN, NetParameter).message
    written = text.format(message)
    assert "gain_param {\n    factor: 4\n    sizes: 3\n    sizes: 5\n  }" in written
    assert text.parse(written, NetParameter).message == message


def test_declaring_the_same_again_is_harmless_and_another_one_is_refused():
    options = {"factor": 1.5, "mode": "linear", "sizes": [int], "on": True}
    register_layer("Gain", param={"gain_param": options})
    with pytest.raises(ModelError, match="have a field 'gain_param' already"):
        register_layer("Other", param={"gain_param": {"other": 1}})
    with pytest.raises(ModelError, match="have a field 'relu_param' already"):
        register_layer("Other", param={"relu_param": {"other": 1}})


def test_an_impossible_default_is_refused():
    with pytest.raises(ModelError, match=r"odd_param\.what: None is no default"):
        register_layer("Odd", param={"odd_param": {"what": None}})


def test_a_taken_type_is_refused():
    with pytest.raises(ModelError, match="'ReLU' is registered already"):
        register_layer("ReLU")(type("Mine", (), {}))


def test_a_missing_plugin_module_is_named_with_the_cure():
    with pytest.raises(CaffelikeError, match=r"No module named .no_such_plugin..*PYTHONPATH"):
        load("no_such_plugin")


def test_an_unknown_type_names_its_fork_and_the_way_out():
    with pytest.raises(ModelError, match=r"Unknown layer type: Quaternion .*see caffelike\.register_layer"):
        build(X + 'layer { name: "q" type: "Quaternion" bottom: "x" top: "q" }')
    with pytest.raises(ModelError, match=r"belongs to the fork\(s\) .*pspnet"):
        build(X + 'layer { name: "q" type: "MatRead" bottom: "x" top: "q" mat_read_param { } }')

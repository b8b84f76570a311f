"""The catalogue of layer types: nothing is missing, and its record of checks is what the tests do."""

import runpy
from pathlib import Path

import pytest

from caffelike import registry
from caffelike.errors import ModelError
from caffelike.layer_catalog import catalog, entry, own_types
from caffelike.schema.fields import describe

ROOT = Path(__file__).parent.parent
BY_HAND_ONLY = ("ROIWarping", "RegionLoss", "YoloSeg", "Yolov3")
"""Types whose gradients are worked by hand and held against nothing else: the forks' are no derivatives of forward."""


def test_the_record_of_checks_is_current():
    tool = runpy.run_path(str(ROOT / "tools" / "record_checks.py"))
    recorded = (ROOT / "caffelike" / "checked.json").read_text(encoding="utf-8")
    assert recorded == tool["render"](tool["build"]()), "run: python tools/record_checks.py"


@pytest.mark.parametrize("type_name", own_types())
def test_every_type_was_checked_and_has_a_worked_example(type_name):
    checked = entry(type_name).checked
    assert "worked by hand" in checked, "no test whose name has 'worked_example' in it"
    kind = registry.layers[type_name]
    if kind.definition("backward") and len(checked) < 2 and type_name not in BY_HAND_ONLY:
        raise AssertionError("its gradient was checked against nothing")


def test_options_of_a_type_with_several_messages():
    options = {option.name: option for option in entry("SoftmaxWithLoss").options}
    assert options["softmax_param.axis"].default == 1
    assert options["loss_param.normalization"].type == "FULL | VALID | BATCH_SIZE | NONE"
    assert options["loss_param.normalization"].default == "VALID"
    (own,) = (o for o in entry("SigmoidCrossEntropyLoss").options if o.name == "loss_param.normalization")
    assert own.default == "BATCH_SIZE"
    lists = {option.name: option.type for option in entry("Eltwise").options}
    assert lists["eltwise_param.coeff"] == "float ..."


def test_kernels_are_those_that_compute_the_type():
    """kernels/cpu/tile.py is the register tile of products, not the Tile layer's."""
    assert "CPU" not in entry("Tile").kernels
    assert entry("InnerProduct").kernels[:2] == ("NumPy", "CPU")


def test_forks_fields_are_listed_where_they_count():
    from caffelike.schema import message_class

    known = describe(message_class("ConvolutionParameter").DESCRIPTOR).fields
    listed = [option.name.partition(".")[2] for option in entry("Convolution").options]
    assert set(listed) <= set(known)
    assert "num_output" in listed
    assert "conv_algorithm" not in listed


def test_a_plugin_without_docstring_has_no_summary(monkeypatch):
    import gain_plugin

    monkeypatch.setattr(gain_plugin.Gain, "__doc__", None)
    assert (entry("Gain").summary, entry("Gain").source) == ("", "")


def test_plugins_are_listed_without_a_record():
    import gain_plugin  # noqa: F401

    gain = next(one for one in catalog() if one.type == "Gain")
    assert "Gain" not in own_types()
    assert (gain.checked, gain.module) == ({}, "gain_plugin")
    assert {option.name: option.default for option in gain.options} == {
        "gain_param.factor": 1.5,
        "gain_param.mode": "linear",
        "gain_param.sizes": None,
        "gain_param.on": True,
    }


def test_a_type_may_have_several_names():
    assert entry("relu") == entry("ReLU")
    assert entry("ReLU").names == ("relu",)
    assert "relu" in registry.layers
    assert "relu" not in list(registry.layers)


def test_names_are_taken_once():
    table = registry.Registry("thing")
    table.add("One", dict)
    table.add_name("one", "One")
    table.add("Two", list)
    with pytest.raises(ModelError, match="registered already, as One"):
        table.add_name("one", "Two")
    with pytest.raises(ModelError, match="registered already"):
        table.add("one", list)
    assert (table["one"], table.first("one"), table.names("One")) == (dict, "One", ("one",))

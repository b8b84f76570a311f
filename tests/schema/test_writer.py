"""Text as Caffe writes it, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffelike.schema import Datum, LayerParameter, NetParameter, text


def test_layout_and_spelling():
    net = NetParameter(name="a\n'\"\\é")
    layer = net.layer.add(type="Power", loss_weight=[1, 0.1])
    layer.power_param.power = 1e-7
    layer.phase = 1
    assert text.format(net) == (
        'name: "a\\n\\\'\\"\\\\\\303\\251"\n'
        "layer {\n"
        '  type: "Power"\n'
        "  loss_weight: 1\n"
        "  loss_weight: 0.1\n"
        "  phase: TEST\n"
        "  power_param {\n"
        "    power: 1e-07\n"
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 16777216.0, 1e-45, 0.3])
def test_floats_read_back(value):
    message = LayerParameter(loss_weight=[value])
    again = text.parse(text.format(message), LayerParameter).message
    assert np.array_equal(again.loss_weight, np.float32([value]), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.lists(st.floats(width=32, allow_nan=False)),
    st.integers(-(2**31), 2**31 - 1),
)
def test_round_trip(name, data, floats, label):
    layer = LayerParameter(name=name, loss_weight=floats)
    assert text.parse(text.format(layer), LayerParameter).message == layer
    datum = Datum(data=data, label=label, float_data=floats)
    assert text.parse(text.format(datum), Datum).message == datum

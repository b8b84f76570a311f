import pytest
from google.protobuf import text_format

import caffelike
from caffelike.errors import ModelError
from caffelike.schema import NetParameter
from caffelike.testing import Case

CONTRACT = [Case("input_param { shape { dim: 2 dim: 3 } }"), Case("input_param { }", tops=2)]


def net(options):
    text = f'layer {{ name: "in" type: "Input" top: "a" top: "b" input_param {{ {options} }} }}'
    return caffelike.Net.build(text_format.Parse(text, NetParameter()), caffelike.TEST)


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ("shape { dim: 2 dim: 3 }", [(2, 3), (2, 3)]),
        ("shape { dim: 2 } shape { dim: 4 dim: 5 }", [(2,), (4, 5)]),
        ("", [(), ()]),
    ],
)
def test_shapes(options, shapes):
    made = net(options)
    assert made.inputs == ["a", "b"]
    assert [made.blobs[name].shape for name in "ab"] == shapes


def test_worked_example_values_and_shapes_given_from_outside_stay():
    made = net("shape { dim: 2 }")
    made.blobs["a"].reshape(3)
    made.blobs["a"].data[...] = [1, 2, 3]
    made.forward()
    assert made.forward()["a"].tolist() == [1, 2, 3]


def test_refused():
    with pytest.raises(ModelError, match="3 shapes for 2 tops"):
        net("shape { dim: 1 } shape { dim: 1 } shape { dim: 1 }")

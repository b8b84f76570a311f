import pytest

from caffelike.errors import ModelError
from caffelike.graph.definition import Definition
from caffelike.graph.phases import filter_layers
from caffelike.schema import LayerParameter, NetState, text


def names(rules, **state):
    layer = text.parse(f'name: "l" {rules}', LayerParameter).message
    return [d.message.name for d in filter_layers([Definition(layer, "f.prototxt:1")], NetState(**state))]


@pytest.mark.parametrize(
    ("rules", "state", "kept"),
    [
        ("", {}, True),
        ("include { phase: TEST }", {"phase": 1}, True),
        ("include { phase: TEST }", {"phase": 0}, False),
        ("exclude { phase: TEST }", {"phase": 1}, False),
        ("exclude { phase: TEST }", {"phase": 0}, True),
        ("include { phase: TRAIN } include { phase: TEST }", {"phase": 1}, True),
        ("include { min_level: 2 }", {"level": 1}, False),
        ("include { min_level: 2 }", {"level": 2}, True),
        ("include { max_level: 2 }", {"level": 3}, False),
        ('include { stage: "a" stage: "b" }', {"stage": ["a"]}, False),
        ('include { stage: "a" stage: "b" }', {"stage": ["b", "a"]}, True),
        ('include { not_stage: "a" }', {"stage": ["a"]}, False),
        ('include { not_stage: "a" }', {"stage": ["b"]}, True),
        ('include { phase: TEST stage: "a" }', {"phase": 1}, False),
    ],
)
def test_rules(rules, state, kept):
    assert names(rules, **state) == (["l"] if kept else [])


def test_both_kinds_of_rules_are_refused_with_the_place():
    with pytest.raises(ModelError, match=r"f\.prototxt:1: Layer 'l': Specify either include rules or exclude rules"):
        names("include { phase: TEST } exclude { phase: TRAIN }")

"""Which layers belong to a net: the include and exclude rules against the net's state."""

from typing import Any

from caffelike import log
from caffelike.errors import ModelError
from caffelike.graph.definition import Definition, at


def filter_layers(definitions: list[Definition], state: Any) -> list[Definition]:
    """The layers of `definitions` that the NetState (phase, level, stages) admits.

    A layer without rules is in. With include rules one of them must be met; with exclude rules none
    may be. Raises ModelError for a layer with both.
    """
    kept = []
    for definition in definitions:
        layer = definition.message
        if layer.include and layer.exclude:
            raise at(
                definition.place,
                ModelError(
                    f"Layer '{layer.name}': Specify either include rules or exclude rules; not both.", layer=layer.name
                ),
            )
        if layer.include:
            wanted = any(_meets(state, rule, layer.name) for rule in layer.include)
        else:
            wanted = not any(_meets(state, rule, layer.name) for rule in layer.exclude)
        if wanted:
            kept.append(definition)
    return kept


def _meets(state: Any, rule: Any, name: str) -> bool:
    """Whether `state` meets every condition of one NetStateRule; logs the first that it does not."""
    reason = ""
    if rule.HasField("phase") and rule.phase != state.phase:
        source = "net.cpp:296"
        reason = f"The NetState phase ({state.phase}) differed from the phase ({rule.phase}) specified by a rule"
    elif rule.HasField("min_level") and state.level < rule.min_level:
        source = "net.cpp:304"
        reason = f"The NetState level ({state.level}) is above the min_level ({rule.min_level}) specified by a rule"
    elif rule.HasField("max_level") and state.level > rule.max_level:
        source = "net.cpp:312"
        reason = f"The NetState level ({state.level}) is above the max_level ({rule.max_level}) specified by a rule"
    elif missing := [s for s in rule.stage if s not in state.stage]:
        source = "net.cpp:328"
        reason = f"The NetState did not contain stage '{missing[0]}' specified by a rule"
    elif present := [s for s in rule.not_stage if s in state.stage]:
        source = "net.cpp:344"
        reason = f"The NetState contained a not_stage '{present[0]}' specified by a rule"
    if reason:
        log.info(source, f"{reason} in layer {name}")
    return not reason

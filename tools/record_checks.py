"""Writes caffelike/checked.json: what the numbers of each layer type are held against by the tests.

usage: python tools/record_checks.py

{type: {reference: [where]}}; the installed package has no tests, so `caffelike layers` reads this. References: BVLC
Caffe 1.0 and other engines (cases of tests/golden), finite differences (of the definition, by the contract), worked by
hand.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "caffelike" / "checked.json"
GOLDEN = ROOT / "tests" / "golden"
CAFFE, SLOPES, BY_HAND = "BVLC Caffe 1.0", "finite differences", "worked by hand"

Checks = dict[str, dict[str, list[str]]]


def recorded() -> Iterator[tuple[str, str, str]]:
    """(type, engine, file/case) of every layer in the nets whose numbers were recorded."""
    from caffelike.schema import NetParameter, text

    for path in sorted(GOLDEN.rglob("*.h5")):
        with h5py.File(path) as cases:
            for case, group in cases.items():
                where = f"{path.relative_to(GOLDEN).with_suffix('')}/{case}"
                net = group.attrs.get("prototxt", group.attrs.get("net"))
                for layer in text.parse(net, NetParameter, where).message.layer:
                    yield layer.type, group.attrs.get("engine", CAFFE), where


def build() -> Checks:
    """The table for the types that come with caffelike."""
    from caffelike import registry
    from caffelike.layer_catalog import own_types

    sys.path.insert(0, str(ROOT / "tests"))
    cases: dict[str, dict[str, set[str]]] = {}
    for type_name, engine, case in recorded():
        cases.setdefault(registry.layers.first(type_name), {}).setdefault(engine, set()).add(case)
    table: Checks = {}
    for type_name in own_types():
        kind = registry.layers[type_name]
        tests = importlib.import_module(f"layers.test_{kind.stem()}")
        found: dict[str, list[str]] = {}
        if type_name != "Input":  # which is in every net, and computes nothing
            found |= {engine: sorted(names) for engine, names in sorted(cases.get(type_name, {}).items())}
        contract = getattr(tests, "CONTRACT", ())
        if isinstance(contract, dict):
            contract = contract.get(type_name, ())
        if kind.definition("backward") and any(case.differentiable for case in contract):
            found[SLOPES] = [f"tests/layers/test_{kind.stem()}.py::CONTRACT"]
        examples = [name for name, _ in inspect.getmembers(tests, inspect.isfunction) if "worked_example" in name]
        if examples:
            found[BY_HAND] = [f"tests/layers/test_{kind.stem()}.py::{name}" for name in examples]
        table[type_name] = found
    return table


def render(table: Checks) -> str:
    """The file's contents."""
    return json.dumps(table, indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(build()), encoding="utf-8")

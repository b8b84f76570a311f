"""Every type's docstring tells what a user must know: one form, checked over the registry."""

import inspect
import re

import pytest

from caffelike import registry
from caffelike.layer import HostLayer, Layer
from caffelike.layer_catalog import Option, entry, own_types
from caffelike.schema.dialects import HINTS

TYPES = own_types()


def code(kind: type) -> str:
    """The source of a type's file and of the bases it shares with others."""
    classes = [c for c in kind.__mro__ if issubclass(c, Layer) and c not in (Layer, HostLayer)]
    return "".join(inspect.getsource(inspect.getmodule(c)) for c in classes)


def texts(type_name: str) -> str:
    """The type's docstring, and those that it refers to ("as Convolution")."""
    doc = entry(type_name).doc
    return doc + "".join(entry(name).doc for name in re.findall(r"\bas (\w+)\b", doc) if name in TYPES)


def shown(option: Option) -> str:
    """An option's default as a docstring writes it; "" where none needs to be told (0, false, nothing, required)."""
    if isinstance(option.default, bool):
        return "true|unless" if option.default else ""
    if isinstance(option.default, float | int):
        return re.escape(f"{option.default:g}").replace("e\\-0", "e-0?") if option.default else ""
    return str(option.default or "")


@pytest.mark.parametrize("type_name", TYPES)
def test_form(type_name):
    kind, known = registry.layers[type_name], entry(type_name)
    assert known.summary.endswith("."), "the first line is not a whole sentence"
    for names, word in ((kind.bottoms, "bottoms:"), (kind.tops, "tops:"), (kind.params, "params:")):
        assert not names or word in known.doc, f"no '{word}'"
        for name in names:
            assert re.search(rf"\b{name.strip('?*')}\b", known.doc) or name[0] == "*", f"{word} {name} is not explained"
    assert not (kind.bottoms or kind.params) or re.search(r"\b[Gg]radient\b", known.doc), "no word about the gradient"
    assert "raise " not in code(kind) or re.search(r"\bErrors\b|\bRaises\b", texts(type_name)), "no 'Errors:'"
    assert known.source, "no 'Source: ...' at the end"


@pytest.mark.parametrize("type_name", TYPES)
def test_options(type_name):
    """Each is named, with its default; hints, which change nothing, need not be."""
    kind, doc = registry.layers[type_name], texts(type_name)
    for message in kind.messages:
        assert message in doc, f"no word about {message}"
    for option in entry(type_name).options:
        message, _, name = option.name.partition(".")
        if message in kind.messages or name in HINTS:
            continue
        assert re.search(rf"\b{name}\b", doc), f"no word about {option.name}"
        assert re.search(shown(option), doc), f"{option.name}: its default {option.default} is not told"

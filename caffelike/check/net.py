"""Checks a net: its text, its wiring, and each layer on the shapes that its bottoms have.

An error does not end the check. The tops of a layer that cannot be built have no known shape; the layers that depend on
them are held against their types, but not built, so that no error is reported which only follows from another.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffelike import registry
from caffelike.check.lint import lint
from caffelike.check.report import Place, Report
from caffelike.errors import CaffelikeError, FileError, ModelError, ParseError
from caffelike.graph.build import Learnable, Wiring, connect, create, owner, share_parameters
from caffelike.graph.definition import Definition
from caffelike.graph.dialect import ignored, refusal, words
from caffelike.graph.phases import filter_layers
from caffelike.graph.splits import insert_splits, made_twice, unknown_bottom
from caffelike.graph.unfuse import unfuse
from caffelike.layer import HostLayer, Layer, Shape
from caffelike.schema import TRAIN
from caffelike.schema.definitions import NetDocument, upgraded_net
from caffelike.schema.reader import Document
from caffelike.summary import replace_inputs

# Words of error messages that are fields of a layer too, but are seldom meant as such.
_COMMON = frozenset({"bottom", "top", "name", "type", "param", "layer", "include", "exclude"})
_PREFIX = re.compile(r"Layer '.*?'(?: \(\w*\))?:? ")


@dataclass(frozen=True)
class _Entry(Definition):
    """A definition that knows its index among the net's layers; Split layers have none."""

    index: int = -1


def check_net(document: Document, found: list[ParseError], states: Sequence[Any], report: Report) -> None:
    """Report all problems of a net's text, then of the net that it makes in each NetState.

    found: what the reader collected.
    """
    damaged = report_text(document, found, report)
    notes: list[str] = []
    try:
        net = upgraded_net(document, notes)
    except ModelError as error:
        report.add("error", (document.filename, *document.position("input")), str(error))
        return
    for note in notes:
        report.add("warning", (document.filename, *document.position("layers")), note)
    doubtful = {index for index, origin in enumerate(net.origins) if origin[:2] in damaged}
    for state in states:
        report.start(net.filename, _word(state))
    for state in states:
        _Check(net, state, doubtful, not found, report).run()


def report_text(document: Document, found: list[ParseError], report: Report) -> set[tuple[str, int]]:
    """Report what the reader collected; the entries of `layer` and `layers` that it stands in."""
    damaged = set()
    for error in found:
        name = ""
        for field in ("layer", "layers"):
            index = document.entry(field, (error.line, error.column))
            if index is not None and index < len(getattr(document.message, field, ())):
                damaged.add((field, index))
                layer = getattr(document.message, field)[index]
                name = layer.name or (layer.layer.name if field == "layers" else "")
        report.add("error", (document.filename, error.line, error.column), error.message, name)
    return damaged


def _word(state: Any) -> str:
    return "TRAIN" if state.phase == TRAIN else "TEST"


class _Check:
    """One walk over the layers of a net in one state."""

    def __init__(self, net: NetDocument, state: Any, doubtful: set[int], whole: bool, report: Report):
        """doubtful: layers in whose text something is wrong; whole: whether nothing is wrong in the text."""
        self.net, self.state, self.doubtful, self.whole, self.report = net, state, doubtful, whole, report
        self.phase = _word(state)
        self.wiring = Wiring(None)
        self.unshaped: set[str] = set()  # blobs whose shape nobody knows
        self.owners: dict[str, Learnable] = {}
        self.told: set[str] = set()
        self.failed = False  # whether any error was found
        self.layers: list[Layer] = []

    def run(self) -> None:
        entries = unfuse(self.replaced(self.admitted()))
        if self.without_sources(entries):
            return
        split = insert_splits(self.wired(entries))
        broken = self.made_twice(split)
        try:
            for definition in split:
                self.layer(definition, definition.index in broken if isinstance(definition, _Entry) else False)
        finally:
            for layer in self.layers:
                if isinstance(layer, HostLayer):
                    layer.close()
        self.same_names(entries)
        if self.whole:
            self.misspelt(entries)
        if self.whole and not self.failed:
            starts = [self.net.message.layer[entry.index].type for entry in entries if not entry.message.bottom]
            fed = all(kind in ("Input", "Parameter") for kind in starts)
            for finding in lint([entry.message for entry in entries], self.state.phase, fed):
                self.add(finding.level, entries[finding.layer], finding.text, *finding.path)

    # Reporting ---------------------------------------------------------------------------------

    def place(self, index: int, *path: str | int) -> Place:
        error = self.net.error("", index, *path)
        return error.filename, error.line, error.column

    def add(self, level: str, entry: Definition, message: str, *path: str | int) -> None:
        """Note a problem of a layer, at one of its fields or where its message names one of them."""
        if not isinstance(entry, _Entry):  # a Split layer, which nobody wrote
            return
        self.failed |= level == "error"
        message = _PREFIX.sub("", message, count=1) if _PREFIX.match(message) else message
        place = self.place(entry.index, *(path or self.named_field(entry, message)))
        self.report.add(level, place, message, entry.message.name, self.phase)

    def named_field(self, entry: "_Entry", message: str) -> tuple[str, ...]:
        """The path of the first field of the layer that a message names; () when it names none."""
        kind = entry.message.type
        own = registry.layers[kind].param if kind in registry.layers else None
        for word in re.findall(r"[a-z][a-z0-9_]+", message):
            if word in _COMMON:
                continue
            for path in ((own, word), ("transform_param", word), (word,)) if own else ((word,),):
                if self.net.has(entry.index, *path):
                    return path
        return ()

    # Before the layers are built ----------------------------------------------------------------

    def admitted(self) -> list[_Entry]:
        """The layers that belong to the net in this state."""
        kept = []
        for index, message in enumerate(self.net.message.layer):
            entry = _Entry(message, "", index)
            try:
                kept += [entry.with_copy() for entry in filter_layers([entry], self.state)]
            except ModelError as error:
                self.add("error", entry, str(error), "exclude")
        return kept  # type: ignore[return-value]

    def without_sources(self, entries: list[_Entry]) -> bool:
        """Whether no layer delivers data in this state though some do in others: nobody means to build that net."""
        layers = self.net.message.layer
        left_out = [i for i, layer in enumerate(layers) if layer.top and not layer.bottom]
        if not left_out or any(not entry.message.bottom for entry in entries):
            return False
        rules = [rule for i in left_out for rule in layers[i].include]
        stages = sorted({stage for rule in rules for stage in rule.stage} - set(self.state.stage))
        self.add(
            "note",
            _Entry(layers[left_out[0]], "", left_out[0]),
            "no layer delivers data in this phase (this one is left out), so the net of this phase is not checked"
            + (f". Layers ask for a stage: --stage {' or '.join(stages)}" if stages else ""),
        )
        return True

    def replaced(self, entries: list[_Entry]) -> list[_Entry]:
        """The layers with those that make the given inputs turned into Input layers."""
        inputs = self.report.inputs
        self.report.unused -= set(inputs) - replace_inputs([entry.message for entry in entries], inputs)
        return entries

    def wired(self, entries: list[_Entry]) -> list[Definition]:
        """Report unknown bottoms; the layers, behind one that stands in for what nobody makes."""
        admitted = {entry.index for entry in entries}
        left_out = {
            top: layer.name
            for index, layer in enumerate(self.net.message.layer)
            for top in layer.top
            if index not in admitted
        }
        later = {top: entry for entry in reversed(entries) for top in entry.message.top}
        known: list[str] = []
        absent = type(self.net.message)().layer.add(type="Input")
        for entry in entries:
            message = entry.message
            for position, bottom in enumerate(message.bottom):
                if bottom in known:
                    continue
                text = str(unknown_bottom(bottom, message.name, position, known))
                if bottom in later and later[bottom] is not entry:
                    text += f" Layer '{later[bottom].message.name}' makes it, but stands after this one: move it up."
                elif bottom in left_out:
                    text += f" Layer '{left_out[bottom]}' makes it, but its include or exclude rules keep it out here."
                self.add("error", entry, text, "bottom", position)
                message.bottom[position] = f"{bottom} (unknown)"
                if message.bottom[position] not in absent.top:
                    absent.top.append(message.bottom[position])
            known += [top for top in message.top if top not in known]
        self.unshaped.update(absent.top)
        return [Definition(absent), *entries] if absent.top else list(entries)

    def made_twice(self, definitions: list[Definition]) -> set[int]:
        """Report tops that two layers make; which layers make them again."""
        made: set[str] = set()
        broken = set()
        for definition in definitions:
            message = definition.message
            for i, top in enumerate(message.top):
                in_place = i < len(message.bottom) and message.bottom[i] == top
                if top in made and not in_place and isinstance(definition, _Entry):
                    broken.add(definition.index)
                    self.add("error", definition, str(made_twice(top, message.name)), "top", i)
                made.add(top)
        return broken

    # Layer by layer ------------------------------------------------------------------------------

    def layer(self, definition: Definition, broken: bool) -> None:
        """Check one layer and give its tops their shapes."""
        layer = self.created(definition)
        message = definition.message
        if layer is None or broken or self.unshaped.intersection(message.bottom):
            self.skip(definition, [None] * len(message.top))
            return
        if layer.foreign:
            self.once(
                "python",
                definition,
                "runs Python code of its own, which is not imported just to look at a model: what it makes, and the"
                f" layers that read it, are not checked. Give the shape: --input {_first(message.top)}=SHAPE",
            )
            self.skip(definition, [None] * len(message.top))
            return
        self.layers.append(layer)
        try:
            node = connect(layer, "", self.wiring)
            share_parameters(node, self.owners)
        except FileError as error:
            self.skip(definition, self.without_data(definition, layer, error))
        except (CaffelikeError, MemoryError) as error:
            if not isinstance(definition, _Entry) or definition.index not in self.doubtful:
                self.add("error", definition, _reason(error))
            self.skip(definition, [None] * len(message.top))

    def created(self, definition: Definition) -> Layer | None:
        """The layer, held against its type and its dialect; None after an error."""
        message = definition.message
        if message.type not in registry.layers:
            near = registry.layers.near(message.type)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            what = f"unknown layer type {message.type}.{hint}" if message.type else "has no type."
            self.add("error", definition, what + owner(message), "type")
            return None
        try:
            layer = create(message, self.state.phase, 0, _folder(self.net.filename))
        except ModelError as error:
            self.add("error", definition, str(error))
            return None
        refused = False
        for foreign, refuse in words(layer):
            if refuse:
                self.add("error", definition, refusal(foreign), *foreign.path)
            else:
                self.once(str(foreign.path[-1]), definition, ignored(foreign), *foreign.path)
            refused |= refuse
        return None if refused else layer

    def once(self, key: str, definition: Definition, text: str, *path: str | int) -> None:
        """A note that is given for the first layer only."""
        if key not in self.told:
            self.told.add(key)
            self.add("note", definition, text, *path)

    def without_data(self, definition: Definition, layer: Layer, error: FileError) -> list[Shape | None]:
        """Note that a file is missing; the shapes of the tops that are known all the same."""
        tops = len(definition.message.top)
        shapes: list[Shape | None] = layer.declared(tops) if isinstance(layer, HostLayer) else [None] * tops
        text = str(error).rstrip(".")
        names = [name for name, shape in zip(definition.message.top, shapes, strict=False) if shape is None]
        if names:
            text += f". What depends on {_first(names)} is not checked; give its shape: --input {names[0]}=64,3,227,227"
        else:
            text += f". Checked with the declared shape {' x '.join(map(str, shapes[0] or ()))}"
        self.add("note", definition, text)
        return shapes

    def skip(self, definition: Definition, shapes: Sequence[Shape | None]) -> None:
        """Make the tops of a layer that was not built; those without a shape are unknown from here on."""
        message = definition.message
        self.wiring.unread.difference_update(message.bottom)
        for top, shape in zip(message.top, [*shapes, *[None] * len(message.top)], strict=False):
            if top not in self.wiring.index:
                self.wiring.make(top, message.name)
            self.wiring.unread.add(top)
            self.unshaped.add(top)
            if shape is not None:
                try:
                    self.wiring.blobs[self.wiring.index[top]].reshape(*shape)
                    self.unshaped.discard(top)
                except (CaffelikeError, MemoryError) as error:
                    self.add("error", definition, _reason(error))

    # What is allowed, but hardly meant ----------------------------------------------------------

    def same_names(self, entries: list[_Entry]) -> None:
        """Warn of layers with parameters (of types that are not known too) that share their name."""
        first: dict[str, int] = {}
        for entry in entries:
            name, kind = entry.message.name, entry.message.type
            if kind in registry.layers and not registry.layers[kind].params:
                continue
            if name and name in first:
                line = self.place(first[name])[1]
                self.add(
                    "warning",
                    entry,
                    f"the layer on line {line} has this name too; weights are copied by name, to the first one only",
                    "name",
                )
            first.setdefault(name, entry.index)

    def misspelt(self, entries: list[_Entry]) -> None:
        """Warn of a top that nobody reads and whose name is another blob's but for a slip of the pen."""
        read = {bottom for entry in entries for bottom in entry.message.bottom}
        for entry in entries:
            for i, top in enumerate(entry.message.top):
                near = next((name for name in sorted(read) if _slip(top, name)), None)
                if top not in read and near is not None:
                    text = f"nobody reads the top '{top}'; did you mean '{near}'? Caffe makes it an output of the net"
                    self.add("warning", entry, text, "top", i)


def _slip(one: str, other: str) -> bool:
    """Whether two names differ in case and punctuation only, or by two neighbouring letters swapped."""
    one, other = (re.sub(r"[\W_]", "", name.lower()) for name in (one, other))
    differing = [i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other) or not differing:
        return one == other
    first, last = differing[0], differing[-1]
    return last == first + 1 and one[first : last + 1] == other[first : last + 1][::-1] and one[first:][:2].isalpha()


def _reason(error: CaffelikeError | MemoryError) -> str:
    return str(error) if isinstance(error, CaffelikeError) else f"its blobs are too large for this machine: {error}"


def _first(names: Sequence[str]) -> str:
    return names[0] if names else "BLOB"


def _folder(filename: str) -> str:
    return os.path.dirname(filename)

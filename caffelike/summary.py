"""What a net is made of: shapes, receptive fields, parameters, multiply-accumulates and memory, from the built net."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from caffelike import registry
from caffelike.errors import CaffelikeError, DataError, FileError, ModelError
from caffelike.layer import Shape
from caffelike.schema import TEST, TRAIN

if TYPE_CHECKING:
    from caffelike.graph.definition import Definition
    from caffelike.graph.net import Net

FIRST = ""  # as a name in `inputs`: the first blob that is not computed from others


@dataclass(frozen=True)
class ReceptiveField:
    """So many pixels of an input, along each axis, make a pixel of a top; padding counts.

    stride: how many pixels the windows of two neighbours lie apart; 0 where all pixels are made of the same.
    """

    size: tuple[int, ...]
    stride: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One layer: shapes of its tops by name, learnable numbers, multiply-accumulates of a forward pass, bytes.

    parameters: shared ones count with their owner. activation_bytes: float32 memory of the tops; 0 where a top lies
    in its bottom's memory (in place, Reshape, Flatten). receptive_field: by the name of the input; empty where the
    inputs are no images, or where it depends on the data.
    """

    name: str
    type: str
    tops: dict[str, Shape]
    parameters: int
    macs: int
    activation_bytes: int
    receptive_field: dict[str, ReceptiveField]


@dataclass(frozen=True)
class Memory:
    """Bytes that passes through a net take, without what the kernels put by and data layers read ahead.

    parameters: weights; for training also their gradients and SGD's momentum. blobs: data, for training also gradients
    and what layers keep for them, each in memory of its own, as in a net used from Python. shared: the same where
    they take turns, as in `caffelike train` and `time`.
    """

    parameters: int
    blobs: int
    shared: int


@dataclass(frozen=True)
class Summary:
    """The rows of a net, Split layers that the graph put in left out, and their sums.

    inference, training: the memory of its TEST and its TRAIN net, where they can be built; a net without a loss is
    not trained. They are None from `summarize`, but for the phase of the net that it is given.
    """

    name: str
    phase: str
    layers: list[Row]
    inference: Memory | None = None
    training: Memory | None = None

    @cached_property
    def totals(self) -> dict[str, int]:
        """Sums of parameters, macs and activation_bytes."""
        columns = ("parameters", "macs", "activation_bytes")
        return {column: sum(getattr(row, column) for row in self.layers) for column in columns}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dictionaries, lists, strings and ints."""
        return {**asdict(self), "totals": self.totals}


def summarize(net: "Net") -> Summary:
    """Count a built net."""
    from caffelike.graph.receptive import receptive_fields, widest

    owned: dict[str, int] = {}
    for own in net.learnable:
        owned[own.layer] = owned.get(own.layer, 0) + own.count
    counted: set[int] = set()
    rows = []
    for node, fields in zip(net._nodes, receptive_fields(net._nodes), strict=True):
        size = 0
        for blob in node.top:
            if id(blob.data_storage) not in counted:
                counted.add(id(blob.data_storage))
                size += 4 * blob.count
        if node.layer.type == "Split" and node.name.endswith("_split"):
            continue
        shapes = [blob.shape for blob in node.top]
        rows.append(
            Row(
                name=node.name,
                type=node.layer.type,
                tops=dict(zip(node.top_names, shapes, strict=True)),
                parameters=owned.pop(node.name, 0),
                macs=node.layer.macs([blob.shape for blob in node.bottom], shapes),
                activation_bytes=size,
                receptive_field={
                    name: ReceptiveField(field.rounded(), tuple(map(float, field.stride)))
                    for name, field in widest(fields).items()
                },
            )
        )
    if net.phase == TRAIN:
        return Summary(net.name, "TRAIN", rows, training=memory(net))
    return Summary(net.name, "TEST", rows, inference=memory(net))


def memory(net: "Net") -> Memory | None:
    """What inference with a TEST net, or training a TRAIN net, takes; None for a TRAIN net without a loss."""
    from caffelike.graph.memory import needed

    if net.phase == TRAIN and not any(node.needs_backward for node in net._nodes):
        return None
    blobs = needed(net._nodes, backward=net.phase == TRAIN)
    return Memory(net.arena_data.nbytes * (3 if net.phase == TRAIN else 1), blobs.own, blobs.shared)


def describe(path: str | os.PathLike, phase: int = TEST, inputs: Mapping[str, Shape] | None = None) -> Summary:
    """Build the net of a prototxt without weights and count it; modules that it names are not imported.

    inputs: shapes by blob name (or FIRST). The layer that makes such a blob is not built: its tops become inputs of
    these shapes, and one that is not given gets the batch size alone, as labels have. So a net is counted whose data
    are not here, or with another batch size. The net of the other phase is built too, for its memory alone, if it
    can be.
    Raises what Net raises; an error about a missing source says how `inputs` helps.
    """
    net = build_without_data(path, phase, inputs)
    try:
        summary = summarize(net)
    finally:
        net.close()
    try:
        other = build_without_data(path, TEST if phase == TRAIN else TRAIN, inputs)
    except CaffelikeError:  # its data are not here, say; the net that was asked for is
        return summary
    try:
        needed = memory(other)
        return replace(summary, inference=needed) if phase == TRAIN else replace(summary, training=needed)
    finally:
        other.close()


def build_without_data(
    path: str | os.PathLike,
    phase: int,
    inputs: Mapping[str, Shape] | None = None,
    *,
    level: int = 0,
    stages: Sequence[str] = (),
) -> "Net":
    """The net that `describe` counts."""
    from caffelike.graph.definition import Definition
    from caffelike.graph.net import Net
    from caffelike.graph.phases import filter_layers
    from caffelike.schema import text

    name = os.fspath(path)
    document = text.read_net(name)
    message = document.message
    message.state.phase, message.state.level = phase, level
    message.state.stage.extend(stages)
    layers = [Definition(layer, document.where_layer(i)) for i, layer in enumerate(message.layer)]
    layers = [definition.with_copy() for definition in filter_layers(layers, message.state)]
    messages = [definition.message for definition in layers]
    if missing := replace_inputs(messages, inputs or {}):
        raise CaffelikeError(nothing_makes(min(missing), messages))
    for definition in layers:
        _refuse_foreign(definition)
    del message.layer[:]
    message.layer.extend(definition.message for definition in layers)
    try:
        return Net.build(message, filename=name, where=lambda i: layers[i].place, fill=False)
    except (FileError, DataError) as error:
        raise type(error)(
            f"{error}\nTo build the net without its data, give the shape they have: --input 64,3,227,227"
        ) from error


def replace_inputs(layers: Sequence[Any], inputs: Mapping[str, Shape]) -> set[str]:
    """Turn the LayerParameters that make the blobs in `inputs` into Input layers; the names that none makes.

    FIRST stands for the first top of the first layer without bottoms. A top that is not given gets the batch size
    alone.
    """
    shapes = dict(inputs)
    if FIRST in shapes:
        first = next((message.top[0] for message in layers if message.top and not message.bottom), None)
        if first is None:
            return {FIRST}
        shapes[first] = shapes.pop(FIRST)
    missing = set(shapes)
    for message in layers:
        tops = [top for top in message.top if top not in message.bottom]
        given = [shapes[top] for top in tops if top in shapes]
        if not given or not missing.intersection(tops):
            continue
        missing.difference_update(tops)
        replacement = type(message)(name=message.name, type="Input", top=tops)
        for top in tops:
            replacement.input_param.shape.add().dim.extend(shapes.get(top, given[0][:1]))
        message.CopyFrom(replacement)
    return missing


def nothing_makes(name: str, layers: Sequence[Any]) -> str:
    """The message for a blob in `inputs` that no layer makes."""
    if name == FIRST:
        return "This net has no layer without bottoms, so --input needs a name: --input BLOB=SHAPE."
    known = ", ".join(top for message in layers if not message.bottom for top in message.top)
    return f"No layer makes the blob '{name}' that --input names. The net starts from {known or 'nothing'}."


def _refuse_foreign(definition: "Definition") -> None:
    message = definition.message
    if message.type in registry.layers and registry.layers[message.type](message, 0).foreign:
        blob = message.top[0] if message.top else "BLOB"
        raise ModelError(
            f"{definition.place}: layer '{message.name}' runs Python code of its own, which is not imported just to"
            f" look at a model. Give the shape of what it makes: --input {blob}=SHAPE.",
            layer=message.name,
        )

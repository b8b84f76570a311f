"""From filtered and split definitions to nodes: blobs wired, layers set up, parameters shared."""

from dataclasses import dataclass
from typing import Any

from caffelike import log, registry, rng
from caffelike.blob import UNINITIALIZED, Blob, aligned_zeros
from caffelike.errors import CaffelikeError, ModelError, ShapeError
from caffelike.graph.definition import Definition, at
from caffelike.graph.dialect import check_words
from caffelike.graph.node import Node
from caffelike.graph.splits import made_twice, unknown_bottom
from caffelike.layer import Layer
from caffelike.schema.dialects import forks_of, forks_of_type

_ALIGN = 16  # float32 elements: parameters start on a cache line inside the arenas


@dataclass
class Learnable:
    """A parameter blob the solver updates; shared ones are listed once, under their owner.

    index: among the layer's blobs. offset, count: its elements in the net's arenas.
    """

    blob: Blob
    layer: str
    index: int
    lr_mult: float = 1.0
    decay_mult: float = 1.0
    lr_given: bool = False
    decay_given: bool = False
    offset: int = 0

    @property
    def count(self) -> int:
        """Elements of the blob."""
        return self.blob.count


@dataclass
class Built:
    """What `build` makes of a definition."""

    nodes: list[Node]
    blob_names: list[str]
    blobs: list[Blob]
    inputs: list[str]
    outputs: list[str]
    learnable: list[Learnable]
    arena_data: Any
    arena_diff: Any


def build(definitions: list[Definition], phase: int, seed: int, folder: str, on_change: Any) -> Built:
    """Create and connect every layer in order. Raises ModelError or ShapeError naming place, layer and blob.

    folder: of the definition's file, for layers that name files. on_change: called when a blob's shape changes.
    """
    wiring = Wiring(on_change)
    nodes = []
    told: set[str] = set()
    memory = 0
    for definition in definitions:
        try:
            layer = create(definition.message, phase, seed, folder)
            check_words(layer, told)
            node = connect(layer, definition.place, wiring)
        except CaffelikeError as error:
            raise at(definition.place, error) from error
        nodes.append(node)
        log.info("net.cpp:124", f"Setting up {node.name}")
        for blob, weight in zip(node.top, node.loss_weights, strict=True):
            log.info("net.cpp:131", f"Top shape: {''.join(f'{d} ' for d in blob.shape)}({blob.count})")
            if weight:
                log.info("net.cpp:134", f"    with loss weight {log.number(weight)}")
            memory += 4 * blob.count
        log.info("net.cpp:139", f"Memory required for data: {memory}")
    learnable = _share_parameters(nodes)
    arena_data, arena_diff = _move_into_arenas(learnable, nodes)
    return Built(
        nodes,
        wiring.names,
        wiring.blobs,
        wiring.inputs,
        sorted(wiring.unread),
        learnable,
        arena_data,
        arena_diff,
    )


class Wiring:
    """The blobs made so far: which exist, and which nobody has read yet."""

    def __init__(self, on_change: Any):
        self.names: list[str] = []
        self.blobs: list[Blob] = []
        self.index: dict[str, int] = {}
        self.unread: set[str] = set()
        self.inputs: list[str] = []
        self.on_change = on_change

    def read(self, name: str, layer: str, position: int) -> int:
        """The index of a layer's bottom, which nobody reads after it. Raises ModelError for an unknown one."""
        if name not in self.unread:
            raise unknown_bottom(name, layer, position, sorted(self.unread))
        self.unread.remove(name)
        log.info("net.cpp:408", f"{layer} <- {name}")
        return self.index[name]

    def make(self, name: str, layer: str) -> int:
        """The index of a new blob. Raises ModelError when there is one of that name."""
        if name in self.index:
            raise made_twice(name, layer)
        log.info("net.cpp:382", f"{layer} -> {name}")
        self.index[name] = len(self.blobs)
        return self._append(name)

    def in_place(self, name: str, layer: str) -> int:
        """The index of a top that is the layer's bottom too."""
        log.info("net.cpp:369", f"{layer} -> {name} (in-place)")
        self.unread.add(name)
        return self.index[name]

    def automatic(self, layer: str) -> int:
        """The index of a new blob without a name."""
        log.info("net.cpp:382", f"{layer} -> (automatic)")
        return self._append("(automatic)")

    def _append(self, name: str) -> int:
        self.names.append(name)
        self.blobs.append(Blob(on_change=self.on_change))
        if name != "(automatic)":
            self.unread.add(name)
        return len(self.blobs) - 1


def create(message: Any, phase: int, seed: int, folder: str) -> Layer:
    """The layer of a definition, held against all that can be said of it before its bottoms are known.

    phase: unless the definition sets its own. Raises ModelError for an unknown type, numbers of bottoms, tops or
    propagate_down that do not fit, and a type that cannot work in place where it is asked to.
    """
    if message.HasField("phase"):
        phase = message.phase
    log.info("layer_factory.hpp:77", f"Creating layer {message.name}")
    try:
        layer_class = registry.layers[message.type]
    except ModelError as error:
        raise ModelError(f"Layer '{message.name}': {error}{owner(message)}", layer=message.name) from None
    layer = layer_class(message, phase, seed)
    layer.folder = folder
    log.info("net.cpp:86", f"Creating Layer {message.name}")
    if message.propagate_down and len(message.propagate_down) != len(message.bottom):
        raise layer.fail(
            f"propagate_down is given {len(message.propagate_down)} times for {len(message.bottom)} bottoms;"
            " give it once for each bottom, or not at all.",
            ModelError,
        )
    for bottom, top in zip(message.bottom, message.top, strict=False):
        if bottom == top and not layer.inplace:
            raise layer.fail(
                f"cannot work in place (top '{top}' is its bottom): Caffe computes wrong numbers there."
                " Give the top another name.",
                ModelError,
            )
    tops = len(message.top) or int(layer.loss)
    layer.check_counts(len(message.bottom), tops)
    return layer


def connect(layer: Layer, place: str, wiring: Wiring) -> Node:
    """Wire a layer's blobs, set it up and shape its tops. Raises ModelError, ShapeError, and what its set-up raises."""
    message = layer.message
    bottom_ids = [wiring.read(name, message.name, i) for i, name in enumerate(message.bottom)]
    top_ids = []
    for i, name in enumerate(message.top):
        if i < len(message.bottom) and name == message.bottom[i]:
            top_ids.append(wiring.in_place(name, message.name))
        else:
            top_ids.append(wiring.make(name, message.name))
        if registry.layers.first(message.type) == "Input":
            wiring.inputs.append(name)
    if layer.loss and not message.top:
        top_ids.append(wiring.automatic(message.name))
    node = Node(
        layer,
        [wiring.blobs[i] for i in bottom_ids],
        [wiring.blobs[i] for i in top_ids],
        list(message.bottom),
        [wiring.names[i] for i in top_ids],
        bottom_ids,
        top_ids,
        place,
    )
    layer.connect(node.bottom, node.top)
    for blob in layer.blobs:
        blob.watch(wiring.on_change)
    layer.fit(node.bottom, node.top)
    if len(message.param) > len(layer.blobs):
        raise layer.fail(
            f"has {len(layer.blobs)} parameter blob(s) but {len(message.param)} param {{ }} blocks;"
            " remove the extra ones.",
            ModelError,
        )
    node.loss_weights = _loss_weights(node)
    fill_loss_diffs(node)
    if layer.random:
        node.key = rng.new_key(layer.seed, layer.name)
    return node


def owner(message: Any) -> str:
    """Who has a layer type that we have not, and what to do about it."""
    used = [field.name for field, _ in message.ListFields() if field.name.endswith("_param")]
    forks = next(filter(None, (forks_of_type(message.type), *(forks_of("LayerParameter", n) for n in used))), "")
    return (f" It belongs to the fork(s) {forks}." if forks else "") + (
        " You can write it yourself in ten lines: see caffelike.register_layer and docs/layers.md."
    )


def _loss_weights(node: Node) -> list[float]:
    given = list(node.layer.message.loss_weight)
    if not given:
        given = [1.0 if node.layer.loss else 0.0]
        given += [0.0] * (len(node.top) - 1)
    if len(given) != len(node.top) and node.top:
        raise node.layer.fail(
            f"loss_weight is given {len(given)} times for {len(node.top)} tops; give it once for each top.", ModelError
        )
    return given[: len(node.top)]


def fill_loss_diffs(node: Node) -> None:
    """Write the loss weights into the tops' diffs, where backward and the loss read them."""
    for blob, weight in zip(node.top, node.loss_weights, strict=True):
        if weight:
            blob.raw_diff[...] = weight


def _share_parameters(nodes: list[Node]) -> list[Learnable]:
    """Let parameters of one `param { name }` share memory; the list of those that own theirs."""
    owners: dict[str, Learnable] = {}
    learnable = []
    for node in nodes:
        try:
            learnable += share_parameters(node, owners)
        except CaffelikeError as error:
            raise at(node.place, error) from error
    return learnable


def share_parameters(node: Node, owners: dict[str, Learnable]) -> list[Learnable]:
    """Let a node's named parameters share memory with their `owners` so far; those that own theirs.

    Raises ModelError and ShapeError for parameters that cannot share.
    """
    learnable = []
    specs = node.layer.message.param
    for i, blob in enumerate(node.layer.blobs):
        spec = specs[i] if i < len(specs) else None
        name = spec.name if spec else ""
        if name and name in owners:
            _share(node, i, spec, owners[name])
            continue
        own = Learnable(blob, node.name, i)
        if spec:
            own.lr_mult, own.lr_given = spec.lr_mult, spec.HasField("lr_mult")
            own.decay_mult, own.decay_given = spec.decay_mult, spec.HasField("decay_mult")
        learnable.append(own)
        if name:
            owners[name] = own
    return learnable


def _share(node: Node, index: int, spec: Any, owner: Learnable) -> None:
    blob, name = node.layer.blobs[index], spec.name
    log.info(
        "net.cpp:484",
        f"Sharing parameters '{name}' owned by layer '{owner.layer}', param index {owner.index}",
    )
    permissive = spec.share_mode == spec.PERMISSIVE
    if blob.count != owner.blob.count or (not permissive and blob.shape != owner.blob.shape):
        rule = "The counts must agree." if permissive else "share_mode: PERMISSIVE asks for equal counts only."
        raise node.layer.fail(
            f"cannot share param '{name}' owned by layer '{owner.layer}': its shape there is {owner.blob.shape}, here"
            f" {blob.shape}. {rule}",
            ShapeError,
        )
    for what in ("lr", "decay"):
        if not spec.HasField(f"{what}_mult"):
            continue
        mine, theirs = getattr(spec, f"{what}_mult"), getattr(owner, f"{what}_mult")
        if getattr(owner, f"{what}_given") and mine != theirs:
            raise node.layer.fail(
                f"Shared param '{name}' has mismatched {what}_mult: {log.number(theirs)} in layer '{owner.layer}',"
                f" {log.number(mine)} here. Use the same value, or leave it out here.",
                ModelError,
            )
        setattr(owner, f"{what}_mult", mine)
        setattr(owner, f"{what}_given", True)
    blob.share_data(owner.blob)
    blob.share_diff(owner.blob)


def _move_into_arenas(learnable: list[Learnable], nodes: list[Node]) -> tuple[Any, Any]:
    """Put all learnable blobs back to back into one data and one diff array; returns both."""
    size = 0
    for own in learnable:
        own.offset = size
        size += -(-own.count // _ALIGN) * _ALIGN
    data, diff = aligned_zeros(size), aligned_zeros(size)
    move_into(data, diff, learnable)
    return data, diff


def move_into(data: Any, diff: Any, learnable: list[Learnable]) -> None:
    """Put all learnable blobs, with the values they have, into these arenas; gradients start as the zeros there."""
    for own in learnable:
        part = slice(own.offset, own.offset + own.count)
        if own.blob.count:
            if own.blob.data_storage.head is not UNINITIALIZED:  # zeros are there already: their memory stays unused
                data[part] = own.blob.raw_data.ravel()
            own.blob.data_storage.adopt(data[part])
            own.blob.diff_storage.adopt(diff[part])

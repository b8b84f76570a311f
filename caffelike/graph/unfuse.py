"""Two layers that a fork's field makes one are taken apart: `convolution_param { relu: true }` is a ReLU behind it.

The pieces are BVLC's own types, so numbers and gradients are theirs, and the plan runs them as one step where it can.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from caffelike.graph.definition import Definition

Entry = TypeVar("Entry", bound=Definition)

# options message -> whether there is a ReLU behind the layer, and the fields that say so
_RELU: dict[str, Callable[[Any], bool]] = {
    "convolution_param": lambda p: p.relu or p.FuseType.Name(p.fuse_type) == "FUSED_CONV_RELU",
    "inner_product_param": lambda p: p.relu,
    "batch_norm_param": lambda p: p.relu or p.fused_relu,
}
_WORDS = ("relu", "fused_relu", "fuse_type", "negative_slope", "relu_param")


def unfuse(definitions: list[Entry]) -> list[Entry]:
    """The definitions with a ReLU or a Pooling of their own for each fused one.

    Intel's relu (and negative_slope) of convolutions, inner products and batch normalisations; opencl's
    FUSED_CONV_RELU, fused_relu, and LRN with FUSED_POOL_MAX. A ReLU works in place on each top. Intel's Concat with
    per_fla_fuse: a Permute to (N, H, W, C) and a Flatten in front of each bottom.
    """
    return [piece for definition in definitions for piece in _pieces(definition)]


def _pieces(definition: Entry) -> list[Entry]:
    message = definition.message
    for name, fused in _RELU.items():
        if message.HasField(name) and fused(getattr(message, name)):
            return _with_relu(definition, name)
    if message.HasField("concat_param") and message.concat_param.per_fla_fuse:
        return _with_flattened(definition)
    if message.HasField("lrn_param"):
        p = message.lrn_param
        if p.FuseType.Name(p.fuse_type) == "FUSED_POOL_MAX" and len(message.top) == 1:
            return _with_pooling(definition)
    return [definition]


def _with_relu(definition: Entry, name: str) -> list[Entry]:
    """The layer without its ReLU, and a ReLU in place for each top."""
    first: Entry = definition.with_copy()  # type: ignore[assignment]
    p = getattr(first.message, name)
    slope = getattr(p, "negative_slope", 0) or (p.relu_param.negative_slope if hasattr(p, "relu_param") else 0)
    for word in _WORDS:
        if word in p.DESCRIPTOR.fields_by_name:
            p.ClearField(word)
    found = [first]
    for i, top in enumerate(first.message.top):
        relu = _piece(definition, f"{first.message.name}/relu{i or ''}", "ReLU", top, top)
        relu.message.relu_param.negative_slope = slope
        found.append(relu)
    return found


def _with_pooling(definition: Entry) -> list[Entry]:
    """LRN into a blob of its own, and the pooling of that."""
    first: Entry = definition.with_copy()  # type: ignore[assignment]
    message = first.message
    between = f"{message.top[0]}/lrn"
    pooling = _piece(definition, f"{message.name}/pool", "Pooling", between, message.top[0])
    pooling.message.pooling_param.CopyFrom(message.lrn_param.pooling_param)
    message.top[0] = between
    message.lrn_param.ClearField("fuse_type")
    message.lrn_param.ClearField("pooling_param")
    return [first, pooling]


def _with_flattened(definition: Entry) -> list[Entry]:
    """The concatenation of flat bottoms whose channels come last, and what makes them so."""
    last: Entry = definition.with_copy()  # type: ignore[assignment]
    message, found = last.message, []
    for i, bottom in enumerate(definition.message.bottom):
        turned, flat = f"{bottom}/{message.name}/permute", f"{bottom}/{message.name}/flatten"
        permute = _piece(definition, f"{message.name}/permute{i}", "Permute", bottom, turned)
        permute.message.permute_param.order.extend([0, 2, 3, 1])
        found += [permute, _piece(definition, f"{message.name}/flatten{i}", "Flatten", turned, flat)]
        message.bottom[i] = flat
    message.concat_param.ClearField("per_fla_fuse")
    return [*found, last]


def _piece(definition: Entry, name: str, kind: str, bottom: str, top: str) -> Entry:
    """A new layer at the same place."""
    piece: Entry = definition.with_copy()  # type: ignore[assignment]
    piece.message.Clear()
    piece.message.name, piece.message.type = name, kind
    piece.message.bottom.append(bottom)
    piece.message.top.append(top)
    if definition.message.HasField("phase"):
        piece.message.phase = definition.message.phase
    return piece

"""Batch normalisation folded into the weights before it: the same outputs from fewer layers, in files any Caffe reads.

A net in memory is folded by itself when it is run for testing (caffelike/graph/fuse.py); this writes the folded
definition and weights, for other programs and smaller files.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelike.binding import bind, by_name
from caffelike.errors import CaffelikeError
from caffelike.graph.definition import Definition
from caffelike.graph.net import Net
from caffelike.graph.phases import filter_layers
from caffelike.graph.splits import uses
from caffelike.layer import Layer
from caffelike.schema import TEST, message_class, text
from caffelike.schema.stored import LayerArrays


@dataclass(frozen=True)
class Folded:
    """message: the NetParameter; layers: with their arrays, for `write_weights`; gone: names of layers folded away."""

    message: Any
    layers: list[LayerArrays]
    gone: list[str]


def fold(definition: str | os.PathLike, weights: str | os.PathLike) -> Folded:
    """Fold every BatchNorm and Scale behind a layer with weights whose output nothing else reads.

    Layers of the phase TEST are kept. scale (w x + b) + shift becomes one w and b, computed in double precision; the
    outputs agree to rounding. Raises CaffelikeError where nothing can be folded, and what Net raises.
    """
    document = text.read_net(definition)
    message = document.message
    message.state.phase = TEST
    layers = filter_layers([Definition(layer).with_copy() for layer in message.layer], message.state)
    net = Net(definition, TEST, weights=weights)
    try:
        found = _Fold(net, layers).run(message.name)
    finally:
        net.close()
    if not found.gone:
        raise CaffelikeError(
            f"{os.fspath(definition)}: no BatchNorm or Scale stands behind a layer into which it can be folded."
        )
    return found


class _Fold:
    def __init__(self, net: Net, definitions: list[Definition]):
        self.layers = [definition.message for definition in definitions]
        self.built = {node.name: node.layer for node in net._nodes}
        sources, self.readers, _ = uses(definitions)
        self.next = {source: i for (i, _), source in sources.items()}  # of a blob that one layer reads: which
        used = [id(blob.data_storage) for layer in net.layers for blob in layer.blobs]
        self.shared = {
            name for name, blobs in net.params.items() if any(used.count(id(b.data_storage)) > 1 for b in blobs)
        }

    def run(self, name: str) -> Folded:
        """Take the layers in order; those that another takes over are left out."""
        message = message_class("NetParameter")(name=name)
        layers: list[LayerArrays] = []
        gone: set[int] = set()
        for i, source in enumerate(self.layers):
            if i in gone:
                continue
            layer = message.layer.add()
            layer.CopyFrom(source)
            for field in ("include", "exclude", "phase", "blobs"):
                layer.ClearField(field)
            built = self.built[source.name]
            arrays = [blob.raw_data for blob in built.blobs]
            if chain := self.chain(i):
                arrays = self.folded(built, chain)
                layer.top[0] = self.layers[chain[-1]].top[0]
                getattr(layer, built.param or "").ClearField("bias_term")
                gone.update(chain)
            layers.append(LayerArrays(layer, [(array, None) for array in arrays]))
        return Folded(message, layers, [self.layers[i].name for i in sorted(gone)])

    def chain(self, i: int) -> list[int]:
        """The layers behind layer i that its weights can take over."""
        first = self.built[self.layers[i].name]
        found: list[int] = []
        if first.definition("fold") is None or len(self.layers[i].top) != 1 or first.name in self.shared:
            return found
        while self.readers[i, 0] == 1:
            i = self.next[i, 0]
            if len(self.layers[i].bottom) != 1 or _affine(self.built[self.layers[i].name]) is None:
                break
            found.append(i)
        return found

    def folded(self, layer: Layer, chain: list[int]) -> list[np.ndarray]:
        """Weight and bias of `layer` with the chain in them."""
        function = layer.definition("fold")
        assert function is not None
        values = _values(layer)
        weight, bias = values["weight"], values["bias"]
        for i in chain:
            scale, shift = _affine(self.built[self.layers[i].name])
            weight, bias = function(weight, bias, scale, np.broadcast_to(shift, scale.shape))
        return [np.ascontiguousarray(array, np.float32) for array in (weight, bias)]


def _affine(layer: Layer) -> Any:
    """(scale, shift) of each channel, or None for a layer that is something else."""
    function = layer.definition("affine")
    return None if function is None else function(*bind(function, layer, _values(layer)))


def _values(layer: Layer) -> dict[str, Any]:
    """A layer's parameters by name, in double precision."""
    return by_name(layer.params, [blob.raw_data.astype(np.float64) for blob in layer.blobs])

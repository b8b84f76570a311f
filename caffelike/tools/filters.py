"""Whole filters taken out of a net: fewer channels, so that it is smaller and faster without sparse arithmetic.

Source: Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters for efficient convnets", ICLR 2017.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.definition import Definition
from caffelike.graph.net import Net
from caffelike.graph.phases import filter_layers
from caffelike.graph.splits import uses
from caffelike.layer import Layer
from caffelike.schema import TEST, message_class, text
from caffelike.schema import weights as stored
from caffelike.schema.stored import LayerArrays

_MAKERS = {"Convolution": 0, "Deconvolution": 1, "InnerProduct": 0}  # type -> the axis of its weights over outputs
# What keeps a channel of zeros a channel of zeros, without a look at the others; the first need no parameters.
_PLAIN = ("AbsVal", "Dropout", "ELU", "Pooling", "ReLU", "ReLU6", "SELU", "Swish", "TanH")
_OF_CHANNELS = ("BatchNorm", "Bias", "PReLU", "Scale")


@dataclass(frozen=True)
class RemovedFilters:
    """What a layer lost: it had `filters`, `removed` are the numbers of those that went, `share` their part of the L1
    norm of all its weights."""

    layer: str
    filters: int
    removed: list[int]
    share: float


@dataclass(frozen=True)
class SmallerNet:
    """message: the NetParameter; layers: with their arrays, for `write_weights`; removed: by layer; kept: why a layer
    kept all its filters; before, after: numbers of parameters."""

    message: Any
    layers: list[LayerArrays]
    removed: list[RemovedFilters]
    kept: dict[str, str]
    before: int
    after: int


def remove_filters(
    definition: str | os.PathLike,
    weights: str | os.PathLike,
    fraction: float | None = None,
    threshold: float | None = None,
    only: Mapping[str, float | None] | None = None,
) -> SmallerNet:
    """Remove of each layer the `fraction` of its filters with the smallest L1 norms, or those whose norm is at most
    `threshold`; and from the layers that read its output, those channels. One filter stays at least.

    A filter is an output channel of a Convolution or Deconvolution (group 1) or InnerProduct, with what BatchNorm,
    Scale, Bias, PReLU and depthwise convolutions behind it have for that channel. The result is that of the net where
    these are zero. Equal norms: the first go. only: layers, each with a value of its own in place of the common one, or
    None. The definition keeps its layers of all phases, so it can be trained on.
    Raises CaffelikeError unless exactly one of fraction (0 to 1) and threshold (0 or more) is given; for a layer in
    `only` whose channels cannot be removed alone; and where no layer's can.
    """
    if (fraction is None) == (threshold is None):
        raise CaffelikeError(
            "Give either a fraction of the filters (0.5: half of each layer's) or a threshold for their L1 norm."
        )
    document = text.read_net(definition)
    net = Net(definition, TEST, weights=weights)
    try:
        work = _Work(net, document.message)
        removed, kept = [], {}
        for name in only or work.makers:
            if name not in work.makers:
                makers = ", ".join(work.makers) or "none"
                raise CaffelikeError(f"'{name}' is no layer with filters. There are: {makers}.")
            try:
                chain = work.chain(name)
            except _Refused as reason:
                if only:
                    raise CaffelikeError(f"The filters of '{name}' cannot be removed: {reason}.") from None
                kept[name] = str(reason)
                continue
            own = (only or {}).get(name)
            value = own if own is not None else fraction if fraction is not None else threshold
            assert value is not None
            removed.append(work.choose(name, chain, value, fraction is not None))
        if not removed:
            listed = "; ".join(f"{name}: {reason}" for name, reason in kept.items())
            raise CaffelikeError(f"{os.fspath(definition)}: no layer's filters can be removed ({listed}).")
        return work.smaller(removed, kept, weights)
    finally:
        net.close()


class _Refused(Exception):
    """Why a channel cannot be removed alone."""


@dataclass
class _Chain:
    """Where the channels of one layer go: (layer, number of its parameter, axis) to cut; depthwise: convolutions whose
    groups they are."""

    filters: int
    cuts: list[tuple[str, int, int]] = field(default_factory=list)
    depthwise: list[str] = field(default_factory=list)


class _Work:
    def __init__(self, net: Net, message: Any):
        self.message = message
        state = message_class("NetState")()
        state.CopyFrom(message.state)
        state.phase = TEST
        definitions = filter_layers([Definition(layer, str(i)) for i, layer in enumerate(message.layer)], state)
        self.layers = [definition.message for definition in definitions]
        self.in_test = {int(definition.place) for definition in definitions}
        self.others = [layer for i, layer in enumerate(message.layer) if i not in self.in_test]
        self.built: dict[str, Layer] = {node.name: node.layer for node in net._nodes}
        self.channels = {node.name: [b.shape[1:2] for b in node.bottom] for node in net._nodes}
        sources, _, self.losses = uses(definitions)
        self.readers: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for place, source in sources.items():
            self.readers[source].append(place)
        used = [id(blob.data_storage) for layer in net.layers for blob in layer.blobs]
        self.shared = {
            name for name, blobs in net.params.items() if any(used.count(id(b.data_storage)) > 1 for b in blobs)
        }
        self.makers = [
            layer.name for layer in self.layers if layer.type in _MAKERS and not self._depthwise(self.built[layer.name])
        ]
        self.keep: dict[str, list[tuple[int, int, np.ndarray]]] = defaultdict(list)
        self.counts: dict[str, int] = {}
        self.groups: set[str] = set()

    # Where the channels of a layer go --------------------------------------------------------------------

    def chain(self, name: str) -> _Chain:
        """What is cut when filters of the layer `name` go. Raises _Refused."""
        layer = self.built[name]
        self._check_own(name)
        message = layer.message
        options = message.inner_product_param if layer.type == "InnerProduct" else message.convolution_param
        if options.axis != 1:
            raise _Refused(f"its axis is {options.axis}, and only channels (axis 1) are removed")
        if layer.type != "InnerProduct" and options.group != 1:
            raise _Refused(f"it has {options.group} groups, each with its own channels")
        axis = _MAKERS[layer.type]
        if layer.type == "InnerProduct" and options.transpose:
            axis = 1
        found = _Chain(layer.blobs[0].shape[axis], [(name, 0, axis)])
        if len(layer.blobs) > 1:
            found.cuts.append((name, 1, 0))
        index = next(i for i, one in enumerate(self.layers) if one.name == name)
        self._follow(index, found, layer.type == "InnerProduct")
        return found

    def _follow(self, index: int, chain: _Chain, flat: bool) -> None:
        """Follow the first top of a layer to where its channels end. flat: a channel is several columns, or a unit."""
        layer = self.layers[index]
        blob = layer.top[0]
        readers = self.readers[index, 0]
        if not readers:
            raise _Refused(f"'{blob}' is an output of the net")
        if (index, 0) in self.losses:
            raise _Refused(f"'{blob}' has a loss weight")
        for other in self.others:
            # A plain layer in place (Dropout in TRAIN) is read by those that read the blob in TEST.
            if blob in other.bottom and not (other.type in _PLAIN and list(other.top) == list(other.bottom)):
                raise _Refused(f"layer '{other.name}' ({other.type}), which is not there in TEST, reads it")
        for reader, bottom in readers:
            self._read(reader, bottom, chain, flat)

    def _read(self, index: int, bottom: int, chain: _Chain, flat: bool) -> None:
        message = self.layers[index]
        name, layer = message.name, self.built[message.name]
        self._check_own(name)
        told = f"'{name}' ({layer.type}) reads it"
        if layer.type in _PLAIN and len(message.bottom) == 1:
            if len(message.top) > 1:
                raise _Refused(f"{told} and has several tops")
            self._follow(index, chain, flat)
        elif layer.type == "Flatten" and layer.message.flatten_param.axis == 1:
            self._follow(index, chain, True)
        elif layer.type in _OF_CHANNELS and len(message.bottom) == 1:
            if self.channels[name][0] != (chain.filters,):
                raise _Refused(f"{told} flattened, value by value")
            cut = [(name, i, 0) for i, blob in enumerate(layer.blobs) if blob.shape[:1] == (chain.filters,)]
            if layer.type in ("Bias", "Scale") and not cut:
                raise _Refused(f"{told} along another axis than its channels")
            chain.cuts += cut
            self._follow(index, chain, flat)
        elif layer.type == "InnerProduct":
            options = layer.message.inner_product_param
            if options.axis != 1:
                raise _Refused(f"{told} with axis {options.axis}")
            chain.cuts.append((name, 0, 0 if options.transpose else 1))
        elif layer.type in ("Convolution", "Deconvolution") and not flat and len(message.bottom) == 1:
            if self._depthwise(layer):
                chain.depthwise.append(name)
                chain.cuts += [(name, i, 0) for i in range(len(layer.blobs))]
                self._follow(index, chain, flat)
            elif layer.message.convolution_param.group != 1:
                raise _Refused(f"{told} in {layer.message.convolution_param.group} groups")
            else:
                chain.cuts.append((name, 0, 1 - _MAKERS[layer.type]))
        else:
            raise _Refused(f"{told}, which needs all of its channels")

    def _check_own(self, name: str) -> None:
        if name in self.shared:
            raise _Refused(f"'{name}' shares its parameters with another layer")

    def _depthwise(self, layer: Layer) -> bool:
        if layer.type != "Convolution":
            return False
        p = layer.message.convolution_param
        return p.group > 1 and p.group == p.num_output and layer.blobs[0].shape[1] == 1

    # Which go ----------------------------------------------------------------------------------------------

    def choose(self, name: str, chain: _Chain, value: float, fraction: bool) -> RemovedFilters:
        """Choose the filters of a layer by their norms, and note what is cut from it and its readers."""
        weights = self.built[name].blobs[0].raw_data
        axis = chain.cuts[0][2]
        norms = np.abs(weights).sum(axis=tuple(a for a in range(weights.ndim) if a != axis), dtype=np.float64)
        order = np.argsort(norms, kind="stable")
        if fraction:
            if not 0 <= value <= 1:
                raise CaffelikeError(f"The fraction for '{name}' is {value:g}; it must lie between 0 and 1.")
            count = round(value * chain.filters)
        else:
            if not value >= 0:
                raise CaffelikeError(f"The threshold for '{name}' is {value:g}; it must be 0 or more.")
            count = int((norms <= value).sum())
        gone = np.sort(order[: min(count, chain.filters - 1)])
        keep = np.ones(chain.filters, bool)
        keep[gone] = False
        for layer, number, along in chain.cuts:
            self.keep[layer].append((number, along, keep))
        for layer in (name, *chain.depthwise):
            self.counts[layer] = int(keep.sum())
        self.groups.update(chain.depthwise)
        total = norms.sum()
        return RemovedFilters(name, chain.filters, gone.tolist(), float(norms[gone].sum() / total) if total else 0.0)

    # What is left --------------------------------------------------------------------------------------------

    def smaller(self, removed: list[RemovedFilters], kept: dict[str, str], weights: str | os.PathLike) -> SmallerNet:
        """The definition and the arrays without what was chosen."""
        message = type(self.message)()
        message.CopyFrom(self.message)
        from_file = {layer.name: layer for layer in stored.read_weights(weights).layers}
        layers, before, after = [], 0, 0
        for i, layer in enumerate(message.layer):
            if layer.name in self.counts:
                self._renumber(layer)
            if i not in self.in_test:  # as it is in the file
                arrays = [blob.data for blob in from_file[layer.name].blobs] if layer.name in from_file else []
            else:
                built = self.built[layer.name]
                arrays = [blob.raw_data for blob in built.blobs]
                before += sum(array.size for array in arrays)
                arrays = [self._cut(layer.name, i, array) for i, array in enumerate(arrays)]
                after += sum(array.size for array in arrays)
            layers.append(LayerArrays(layer, [(array, None) for array in arrays]))
        return SmallerNet(message, layers, removed, kept, before, after)

    def _renumber(self, layer: Any) -> None:
        count = self.counts[layer.name]
        if layer.type == "InnerProduct":
            layer.inner_product_param.num_output = count
            return
        layer.convolution_param.num_output = count
        if layer.name in self.groups:
            layer.convolution_param.group = count

    def _cut(self, name: str, number: int, array: np.ndarray) -> np.ndarray:
        for which, axis, keep in self.keep.get(name, ()):
            if which == number:
                array = np.compress(np.repeat(keep, array.shape[axis] // len(keep)), array, axis=axis)
        return np.ascontiguousarray(array)

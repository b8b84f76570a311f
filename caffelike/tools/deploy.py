"""train_val -> deploy: the net that users of a trained model run, made from the one it was trained with.

    message = deploy("train_val.prototxt", {"data": (1, 3, 227, 227)})

What Caffe's users did by hand: data layers become an Input, labels and what reads them go, a loss becomes the
activation inside it, fillers and learning rates are left out, and so are auxiliary heads: those whose loss weighs less
than another's.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from caffelike import registry
from caffelike.errors import CaffelikeError, ModelError
from caffelike.graph.definition import Definition
from caffelike.graph.phases import filter_layers
from caffelike.layer import Shape
from caffelike.schema import TEST, message_class, text
from caffelike.summary import FIRST, describe

ACTIVATIONS = {"SoftmaxWithLoss": ("Softmax", "prob"), "SigmoidCrossEntropyLoss": ("Sigmoid", "prob")}
"""Losses with an activation inside: what is left of them, and the name it gets where that is free."""

_TRAINING = ("param", "loss_weight", "include", "exclude", "phase", "propagate_down", "blobs")


def deploy(path: str | os.PathLike, inputs: Mapping[str, Shape] | None = None, stages: Sequence[str] = ()) -> Any:
    """The NetParameter of the deployed form of a net.

    inputs: shapes by blob name (or FIRST: the first data blob); where it is not given a data layer's top gets
    (1, channels, crop_size, crop_size) with 3 channels, or 1 for force_gray. stages: of the net's state. Layers for
    the phase TEST are kept. Raises CaffelikeError where no shape can be told or nothing is left, and what reading a
    net raises; the result is built once (without weights) to see that it is right.
    """
    document = text.read_net(path)
    net = document.message
    net.state.phase = TEST
    net.state.stage.extend(stages)
    entries = [Definition(layer, document.where_layer(i)).with_copy() for i, layer in enumerate(net.layer)]
    layers = [entry.message for entry in filter_layers(entries, net.state)]
    heaviest = max((_weight(layer) for layer in layers if layer.type in ACTIVATIONS), default=1.0)
    kept = _Deploy(os.fspath(path), dict(inputs or {}), heaviest)
    for layer in layers:
        kept.take(layer)
    result = message_class("NetParameter")(name=net.name)
    result.layer.extend(kept.result())
    return result


def check_builds(path: str | os.PathLike) -> None:
    """Build a written definition without weights; raises what Net raises."""
    describe(path, TEST)


class _Deploy:
    """One walk over the layers: what is dropped, and what that leaves without a reader."""

    def __init__(self, path: str, inputs: dict[str, Shape], heaviest: float):
        """heaviest: the greatest weight of a loss in the net."""
        self.path, self.inputs, self.heaviest = path, inputs, heaviest
        self.layers: list[Any] = []
        self.labels: set[str] = set()  # blobs that only training had
        self.auxiliary: set[str] = set()  # blobs that only an auxiliary loss reads

    def take(self, layer: Any) -> None:
        if layer.type == "Input":
            shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
            for i, top in enumerate(layer.top):
                self.add_input(top, self.given(top) or shapes[i if len(shapes) > 1 else 0])
        elif not layer.bottom and layer.type not in ("Parameter", "DummyData"):
            self.data(layer)
        elif layer.type in ACTIVATIONS and _weight(layer) < self.heaviest:
            self.auxiliary.add(layer.bottom[0])
        elif layer.type in ACTIVATIONS:
            self.activation(layer)
        elif self.labels.intersection(layer.bottom) or _is_loss(layer) or layer.type in ("Accuracy", "Silence"):
            self.labels.update(top for top in layer.top if top not in layer.bottom)
        else:
            self.layers.append(_bare(layer))

    def given(self, top: str) -> Shape | None:
        """The shape the caller gives a blob, if any."""
        return self.inputs.pop(top, None) or self.inputs.pop(FIRST, None)

    def data(self, layer: Any) -> None:
        """The first top becomes an input; what else the layer makes are labels, unless the caller gives a shape."""
        first, *others = layer.top
        self.add_input(first, self.given(first) or self.declared(layer))
        for top in others:
            if top in self.inputs:
                self.add_input(top, self.inputs.pop(top))
            else:
                self.labels.add(top)

    def declared(self, layer: Any) -> Shape:
        """(1, channels, crop, crop) of a data layer whose transform_param has a crop_size."""
        transform = layer.transform_param
        crop = transform.crop_size
        if not crop:
            raise CaffelikeError(
                f"{self.path}: layer '{layer.name}' ({layer.type}) does not say which shape its blob '{layer.top[0]}'"
                f" has; give it: --input {layer.top[0]}=1,3,227,227"
            )
        return (1, 1 if transform.force_gray else 3, crop, crop)

    def add_input(self, top: str, shape: Shape) -> None:
        layer = message_class("LayerParameter")(name=top, type="Input", top=[top])
        layer.input_param.shape.add().dim.extend(shape)
        self.layers.append(layer)

    def activation(self, layer: Any) -> None:
        """A loss becomes what it applies to its first bottom."""
        kind, name = ACTIVATIONS[layer.type]
        taken = {top for other in self.layers for top in other.top}
        top = name if name not in taken else f"{layer.bottom[0]}_{name}"
        found = message_class("LayerParameter")(name=top, type=kind, bottom=[layer.bottom[0]], top=[top])
        if layer.HasField("softmax_param"):
            found.softmax_param.CopyFrom(layer.softmax_param)
        self.layers.append(found)

    def result(self) -> list[Any]:
        """The layers that the net's outputs need."""
        if self.inputs:
            raise CaffelikeError(f"{self.path}: no data layer makes the blob '{min(self.inputs)}' that --input names.")
        read = {bottom for layer in self.layers for bottom in layer.bottom if bottom not in layer.top}
        needed = {top for layer in self.layers for top in layer.top} - read - self.auxiliary
        kept = []
        for layer in reversed(self.layers):
            if needed.intersection(layer.top) and (layer.type != "Input" or layer.top[0] in read):
                needed.update(layer.bottom)
                kept.append(layer)
        if not kept:
            raise ModelError(f"{self.path}: no layer computes anything without labels; there is nothing to deploy.")
        return kept[::-1]


def _weight(layer: Any) -> float:
    return layer.loss_weight[0] if layer.loss_weight else 1.0


def _is_loss(layer: Any) -> bool:
    return any(layer.loss_weight) or (layer.type in registry.layers and registry.layers[layer.type].loss)


def _bare(layer: Any) -> Any:
    """A layer without what only training reads: fillers, learning rates, rules."""
    for name in _TRAINING:
        layer.ClearField(name)
    for descriptor, options in layer.ListFields():
        if descriptor.message_type is None or descriptor.is_repeated or not descriptor.name.endswith("_param"):
            continue
        for field in list(options.DESCRIPTOR.fields):
            if field.message_type is not None and field.message_type.name == "FillerParameter":
                options.ClearField(field.name)
    return layer

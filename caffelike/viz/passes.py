"""Forward to a blob, and backward from it to the picture: what all techniques here are made of."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError, ModelError
from caffelike.graph.net import Net
from caffelike.schema import TEST

Rule = Callable[[Net, int], bool]
"""Asked before each layer (its index) runs backward; True: it has set the bottoms' diffs itself."""


def open_net(definition: str | os.PathLike, weights: str | os.PathLike | None = None) -> Net:
    """The TEST net of a prototxt, as `able` makes it. Raises what Net raises."""
    return able(Net(definition, TEST, weights=None if weights is None else os.fspath(weights)))


def able(net: Net) -> Net:
    """The net itself if it runs backward to its inputs; else another one that does, with the same weights in memory.

    That one computes no gradients of weights, so looking into a net costs little and changes nothing. The recipe and
    the inputs' shapes come along.
    """
    if any(
        name in net.inputs for i, names in enumerate(net.bottom_names.values()) for name in names if _goes_back(net, i)
    ):
        return net
    message: Any = type(net._definition)()
    message.CopyFrom(net._definition)
    message.force_backward = True
    other = Net.build(message, net.phase, filename=net.filename, share=net)
    for node in other._nodes:  # force_backward asks for the weights' gradients, too
        node.param_backward = [False] * len(node.param_backward)
    other.recipe = net.recipe
    for blob, same in zip(other.input_blobs, net.input_blobs, strict=True):
        blob.reshape(*same.shape)
    other.reshape()
    return other


def _goes_back(net: Net, layer: int) -> bool:
    return net._nodes[layer].needs_backward and any(net._nodes[layer].bottom_backward)


def show(net: Net, x: np.ndarray) -> None:
    """Run the whole net on x, (C, H, W) or a batch (N, C, H, W), as its only input; other inputs stay as they are."""
    x = np.asarray(x, np.float32)
    blob = net.input_blobs[0]
    batch = x if x.ndim == len(blob.shape) else x[None]
    if blob.shape != batch.shape:
        blob.reshape(*batch.shape)
        net.reshape()
    blob.data[...] = batch
    net.forward(start=next(iter(net.layer_dict)))


def blob_of(net: Net, name: str) -> str:
    """The blob called `name`, or the first top of the layer of that name. Raises CaffelikeError for neither."""
    if name in net.blobs:
        return name
    if net.top_names.get(name):
        return net.top_names[name][0]
    raise CaffelikeError(
        f"The net has no blob and no layer '{name}'. Its blobs are"
        f" {', '.join(b for b in net.blobs if '_split_' not in b)}."
    )


def scores(net: Net) -> str:
    """The blob with the classes' scores: what the last Softmax reads, or the net's only output."""
    for name, layer in reversed(net.layer_dict.items()):
        if layer.type == "Softmax":
            return net.bottom_names[name][0]
    if len(net.outputs) != 1:
        raise CaffelikeError(f"Which blob holds the scores? The net has the outputs {', '.join(net.outputs)}.")
    return net.outputs[0]


def probabilities(net: Net) -> np.ndarray:
    """(N, classes): the output, averaged over positions where it has any; its softmax where the net ends without."""
    values = net.blobs[net.outputs[0]].data
    values = values.reshape(*values.shape[:2], -1).mean(axis=2)
    if any(layer.type == "Softmax" for layer in net.layers):
        return values
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def last_writer(net: Net, blob: str) -> int:
    """The index of the last layer that writes a blob (in-place layers included)."""
    writers = [i for i, tops in enumerate(net.top_names.values()) if blob in tops]
    if not writers:
        raise ModelError(f"No layer makes the blob '{blob}'.")
    return writers[-1]


def down(net: Net, blob: str, diff: np.ndarray, rule: Rule | None = None, to: str = "") -> np.ndarray:
    """The gradient of sum(diff * blob) with respect to the blob `to` (default: the first input), after a forward pass.

    diff: of the blob's shape. rule: see Rule. Raises ModelError when the net does not run backward that far (`able`).
    """
    to = to or net.inputs[0]
    start, end = (
        last_writer(net, blob),
        max((i for i, tops in enumerate(net.top_names.values()) if to in tops), default=-1),
    )
    if start > end and not any(
        to in names for i, names in enumerate(net.bottom_names.values()) if end < i <= start and _goes_back(net, i)
    ):
        raise ModelError(f"Net '{net.name}' has no gradient of '{to}'. Take caffelike.viz.able(net), which has.")
    for other in net._blob_list:
        other.diff[...] = 0
    net.blobs[blob].diff[...] = diff
    for i in range(start, end, -1):
        if rule is None or not rule(net, i):
            net.run_backward(i, i)
    return net.blobs[to].diff.copy()


def one_unit(net: Net, blob: str, unit: int, value: float = 1) -> np.ndarray:
    """A diff for `down`: `value` at channel `unit` of every image, at all its positions, else zero."""
    diff = np.zeros(net.blobs[blob].shape, np.float32)
    if not 0 <= unit < diff.shape[1]:
        raise CaffelikeError(f"The blob '{blob}' has the units 0 to {diff.shape[1] - 1}; there is no unit {unit}.")
    diff[:, unit] = value
    return diff


def strongest_unit(net: Net, blob: str) -> int:
    """The channel of the first image with the largest sum."""
    values = net.blobs[blob].data[0]
    return int(values.reshape(len(values), -1).sum(axis=1).argmax())


def last_maps(net: Net) -> str:
    """The last blob before the scores that has more than one position."""
    end = last_writer(net, scores(net))
    found = ""
    for tops in list(net.top_names.values())[:end]:
        for top in tops:
            shape = net.blobs[top].shape
            if len(shape) == 4 and shape[2] * shape[3] > 1 and top not in net.inputs and "_split_" not in top:
                found = top
    if not found:
        raise CaffelikeError(f"Net '{net.name}' has no layer with maps of more than one position before its scores.")
    return found

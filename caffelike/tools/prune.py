"""Pruning: the smallest weights of a net set to zero, so that files pack smaller and training can go on without them.

Source: Han, Pool, Tran and Dally, "Learning both weights and connections for efficient neural networks", NIPS 2015.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net


@dataclass(frozen=True)
class Pruned:
    """What became of one array of weights: how many it has, how many are 0 now and were before.

    threshold: the largest magnitude set to zero. share: of the array's sum of squares, what was taken away.
    """

    layer: str
    weights: int
    zeros: int
    zeros_before: int
    threshold: float
    share: float


def prune(
    net: Net,
    fraction: float | None = None,
    threshold: float | None = None,
    only: Mapping[str, float | None] | None = None,
) -> list[Pruned]:
    """Set to zero in each layer that multiplies by weights the smallest `fraction` of them, or those up to `threshold`.

    Magnitudes count; of equal ones the first go; biases stay. only: layers to prune, each with a value of its own in
    place of the common one, or None. Weights that layers share are pruned once, by their owner.
    Raises CaffelikeError unless exactly one of fraction (0 to 1) and threshold (0 or more) is given, and for a name in
    `only` that is no layer with weights.
    """
    if (fraction is None) == (threshold is None):
        raise CaffelikeError(
            "Give either a fraction of the weights (0.5: half of each layer's) or a threshold for their magnitude."
        )
    weights = _weights(net)
    for name in only or ():
        if name not in weights:
            raise CaffelikeError(f"'{name}' is no layer with weights of its own. There are: {', '.join(weights)}.")
    found = []
    for name, arrays in weights.items():
        if only and name not in only:
            continue
        own = only.get(name) if only else None
        for array in arrays:
            if fraction is None:
                assert threshold is not None
                found.append(_below(name, array, threshold if own is None else own))
            else:
                found.append(_smallest(name, array, fraction if own is None else own))
    return found


def _weights(net: Net) -> dict[str, list[np.ndarray]]:
    """The arrays that layers multiply by, by the name of the layer that owns them."""
    owned = {id(own.blob) for own in net.learnable}
    found: dict[str, list[np.ndarray]] = {}
    for node in net._nodes:
        layer = node.layer
        if not layer.macs([blob.shape for blob in node.bottom], [blob.shape for blob in node.top]):
            continue
        for name, blob in zip(layer.param_names, layer.blobs, strict=True):
            if id(blob) in owned and len(blob.shape) > 1 and name != "bias":
                found.setdefault(node.name, []).append(blob.data)
    return found


def _smallest(layer: str, array: np.ndarray, fraction: float) -> Pruned:
    if not 0 <= fraction <= 1:
        raise CaffelikeError(f"The fraction for '{layer}' is {fraction:g}; it must lie between 0 and 1.")
    count = round(fraction * array.size)
    chosen = np.zeros(array.size, bool)
    chosen[np.argsort(np.abs(array), axis=None, kind="stable")[:count]] = True
    return _zero(layer, array, chosen.reshape(array.shape))


def _below(layer: str, array: np.ndarray, threshold: float) -> Pruned:
    if not threshold >= 0:
        raise CaffelikeError(f"The threshold for '{layer}' is {threshold:g}; it must be 0 or more.")
    return _zero(layer, array, np.abs(array) <= threshold)


def _zero(layer: str, array: np.ndarray, chosen: np.ndarray) -> Pruned:
    before = array.size - int(np.count_nonzero(array))
    total = np.square(array, dtype=np.float64).sum()
    taken = array[chosen].astype(np.float64)
    array[chosen] = 0
    return Pruned(
        layer,
        array.size,
        array.size - int(np.count_nonzero(array)),
        before,
        float(np.abs(taken).max(initial=0)),
        float(np.square(taken).sum() / total) if total else 0.0,
    )

"""Which pixels a unit depends on: the gradient, and guided backpropagation."""

import numpy as np

from caffelike.graph.net import Net
from caffelike.viz import passes


def gradient(net: Net, x: np.ndarray, unit: int | None = None, layer: str = "") -> np.ndarray:
    """d(unit) / dx, float32 of x's shape (C, H, W): how much a little more of each input number changes the unit.

    layer: a blob's or a layer's name; default: the classes' scores before the softmax. unit: the channel, summed over
    its positions; default: the one that answers most. Its largest absolute value over channels is the saliency map of
    Simonyan, Vedaldi and Zisserman (2013).
    """
    return _back(net, x, unit, layer, None)


def guided(net: Net, x: np.ndarray, unit: int | None = None, layer: str = "") -> np.ndarray:
    """As `gradient`, but each ReLU lets positive gradients alone pass (Springenberg and others, 2014).

    What inhibits the unit is left out, so the picture shows what excites it.
    """
    return _back(net, x, unit, layer, _positive)


def _back(net: Net, x: np.ndarray, unit: int | None, layer: str, rule: passes.Rule | None) -> np.ndarray:
    blob = passes.blob_of(net, layer) if layer else passes.scores(net)
    passes.show(net, x)
    return passes.down(
        net, blob, passes.one_unit(net, blob, passes.strongest_unit(net, blob) if unit is None else unit), rule
    )[0]


def _positive(net: Net, layer: int) -> bool:
    if net.layers[layer].type == "ReLU":
        for top in list(net.top_names.values())[layer]:
            diff = net.blobs[top].diff
            np.maximum(diff, 0, out=diff)
    return False

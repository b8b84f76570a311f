"""What happens when a part of the picture is covered (Zeiler and Fergus, 2014)."""

from typing import NamedTuple

import numpy as np

from caffelike.graph.net import Net
from caffelike.viz import passes

_BATCH = 16


class Occlusion(NamedTuple):
    """Maps (rows, columns), one number for each place of the cover.

    probability: of the class looked for, float32. best: the most probable class. activation: sum of the map that
    answered most to the whole picture, float32. places: (rows, columns, 2), the cover's top and left, in pixels.
    """

    probability: np.ndarray
    best: np.ndarray
    activation: np.ndarray
    places: np.ndarray


def occlusion(
    net: Net,
    x: np.ndarray,
    label: int | None = None,
    size: int = 0,
    step: int = 0,
    fill: float = 0,
    layer: str = "",
) -> Occlusion:
    """Cover a square of the input x (C, H, W) at one place after the other, and look at what the net says.

    label: the class; default: the most probable one. size: of the square, default a fifth of the input's height. step:
    how far it moves, default half of it. fill: what it holds (0: the mean, for inputs less the mean). layer: whose
    strongest map is summed up; default: the last one with positions.
    """
    x = np.asarray(x, np.float32)
    _, height, width = x.shape
    size = size or max(1, height // 5)
    step = step or max(1, size // 2)
    blob = passes.blob_of(net, layer) if layer else passes.last_maps(net)
    passes.show(net, x)
    label = int(passes.probabilities(net)[0].argmax()) if label is None else label
    strongest = int(net.blobs[blob].data[0].sum(axis=(1, 2)).argmax())
    tops, lefts = (np.unique([*range(0, n - size, step), max(0, n - size)]) for n in (height, width))  # to the border
    places = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    flat = places.reshape(-1, 2)
    probability, best, activation = [], [], []
    for start in range(0, len(flat), _BATCH):
        covered = np.repeat(x[None], len(flat[start : start + _BATCH]), axis=0)
        for image, (top, left) in zip(covered, flat[start : start + _BATCH], strict=True):
            image[:, top : top + size, left : left + size] = fill
        passes.show(net, covered)
        found = passes.probabilities(net)
        probability += found[:, label].tolist()
        best += found.argmax(axis=1).tolist()
        activation += net.blobs[blob].data[:, strongest].sum(axis=(1, 2)).tolist()
    shape = places.shape[:2]
    return Occlusion(
        np.array(probability, np.float32).reshape(shape),
        np.array(best).reshape(shape),
        np.array(activation, np.float32).reshape(shape),
        places,
    )

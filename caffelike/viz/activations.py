"""What the units of a layer answer to a picture."""

import numpy as np

from caffelike.graph.net import Net
from caffelike.viz import passes


def activations(net: Net, x: np.ndarray, layer: str) -> np.ndarray:
    """The values of a blob (or of a layer's first top) for the input x, float32, without the batch axis for one image.

    x: (C, H, W) or (N, C, H, W), prepared as the net wants it. Raises CaffelikeError for unknown names.
    """
    blob = passes.blob_of(net, layer)
    passes.show(net, x)
    found = net.blobs[blob].data.copy()
    return found[0] if np.ndim(x) == len(net.input_blobs[0].shape) - 1 else found

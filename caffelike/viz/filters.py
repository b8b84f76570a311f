"""The filters of a layer."""

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net


def filters(net: Net, layer: str = "") -> np.ndarray:
    """A copy of a layer's weights, float32: (num_output, channels / group, kernel_h, kernel_w) of a convolution.

    layer: its name; by default the first that has weights of four axes. Those of the first layer are little pictures in
    the order of channels of the net's input (`picture.filters` shows them so). Raises CaffelikeError for other layers.
    """
    shaped = {name: blobs[0].data for name, blobs in net.params.items() if len(blobs[0].shape) == 4}
    if not layer and shaped:
        layer = next(iter(shaped))
    if layer not in shaped:
        raise CaffelikeError(f"'{layer}' is no layer with filters. These are: {', '.join(shaped) or '(none)'}.")
    return shaped[layer].copy()

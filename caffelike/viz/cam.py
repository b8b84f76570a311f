"""Where a class is in the picture: class activation maps, plain and by gradients."""

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.viz import passes
from caffelike.viz.picture import enlarge


def grad_cam(net: Net, x: np.ndarray, unit: int | None = None, layer: str = "", enlarged: bool = True) -> np.ndarray:
    """Grad-CAM (Selvaraju and others, 2017): where a layer's maps speak for a class, float32 >= 0.

    unit: the class; default: the one with the best score. layer: whose maps (C, h, w); default: the last blob with
    positions before the scores. Each map counts with the mean of the score's gradient over it; of the sum what is
    positive is left. Returns (H, W) as the input if `enlarged`, else (h, w).
    """
    blob = passes.blob_of(net, layer) if layer else passes.last_maps(net)
    top = passes.scores(net)
    passes.show(net, x)
    unit = passes.strongest_unit(net, top) if unit is None else unit
    slope = passes.down(net, top, passes.one_unit(net, top, unit), to=blob)[0]
    maps = net.blobs[blob].data[0]
    found = np.maximum((maps * slope.mean(axis=(1, 2), keepdims=True)).sum(axis=0), 0)
    return enlarge(found, net.input_blobs[0].shape[2:]) if enlarged else found


def cam(net: Net, x: np.ndarray, unit: int | None = None, enlarged: bool = True) -> np.ndarray:
    """Class activation map (Zhou and others, 2016) of a net that ends in a global average pooling, float32.

    The pooling is followed by the scores themselves (SqueezeNet: a map a class) or by one InnerProduct, whose weights
    say how much each map counts. unit, enlarged: as for `grad_cam`. Raises CaffelikeError for other nets.
    """
    maps_blob, weights = _pooled(net)
    passes.show(net, x)
    unit = passes.strongest_unit(net, passes.scores(net)) if unit is None else unit
    maps = net.blobs[maps_blob].data[0]
    found = maps[unit] if weights is None else np.tensordot(weights[unit], maps, 1)
    found = found.astype(np.float32)
    return enlarge(found, net.input_blobs[0].shape[2:]) if enlarged else found


def _pooled(net: Net) -> tuple[str, np.ndarray | None]:
    """The blob that is pooled, and the weights (classes, channels) behind it, if there are any."""
    names = list(net.layer_dict)
    scores = passes.scores(net)
    weights = None
    at = passes.last_writer(net, scores)
    while at >= 0:
        layer = net.layer_dict[names[at]]
        if layer.type == "Pooling":
            blob = net.bottom_names[names[at]][0]
            if layer.message.pooling_param.pool == 1 and net.blobs[net.top_names[names[at]][0]].count == np.prod(
                net.blobs[blob].shape[:2]
            ):
                return blob, weights
            break
        if layer.type == "InnerProduct" and weights is None:
            weights = net.params[names[at]][0].data.copy()
        elif layer.type not in ("Dropout", "Split", "Flatten", "Reshape"):
            break
        at = passes.last_writer(net, net.bottom_names[names[at]][0])
    raise CaffelikeError(
        f"Net '{net.name}' has no global average pooling right before its scores, which cam needs; grad_cam does not."
    )

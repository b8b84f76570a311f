"""V0 layers (2013, `layers { layer { type: "conv" } }`) become V1 layers (`layers { type: CONVOLUTION }`)."""

from collections.abc import Callable
from typing import Any

from caffelike.errors import ModelError
from caffelike.schema import message_class

TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "softmaxloss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_FILTERS = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWS = {"conv": "convolution_param", "pool": "pooling_param"}
_CONV, _POOL = {"conv": "convolution_param"}, {"pool": "pooling_param"}
_LRN, _IMAGES = {"lrn": "lrn_param"}, {"images": "image_data_param"}
_CROPS = {"window_data": "window_data_param"}
_BATCHES = {"data": "data_param", "hdf5_data": "hdf5_data_param"} | _IMAGES | _CROPS

# V0 field -> its name now, and for each V0 type that takes it the message that holds it now.
_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _FILTERS),
    "biasterm": ("bias_term", _FILTERS),
    "weight_filler": ("weight_filler", _FILTERS),
    "bias_filler": ("bias_filler", _FILTERS),
    "pad": ("pad", _WINDOWS),
    "kernelsize": ("kernel_size", _WINDOWS),
    "group": ("group", _CONV),
    "stride": ("stride", _WINDOWS),
    "pool": ("pool", _POOL),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", _LRN),
    "alpha": ("alpha", _LRN),
    "beta": ("beta", _LRN),
    "k": ("k", _LRN),
    "source": ("source", _BATCHES | {"infogain_loss": "infogain_loss_param"}),
    "batchsize": ("batch_size", _BATCHES),
    "rand_skip": ("rand_skip", {"data": "data_param"} | _IMAGES),
    "shuffle_images": ("shuffle", _IMAGES),
    "new_height": ("new_height", _IMAGES),
    "new_width": ("new_width", _IMAGES),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", _CROPS),
    "det_bg_threshold": ("bg_threshold", _CROPS),
    "det_fg_fraction": ("fg_fraction", _CROPS),
    "det_context_pad": ("context_pad", _CROPS),
    "det_crop_mode": ("crop_mode", _CROPS),
}
_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_OWN = {"name", "type", "blobs", "blobs_lr", "weight_decay"}

# New name of a field -> the V0 name that a text may hold instead.
OLD_NAMES = {new: old for old, (new, _) in _FIELDS.items()} | {new: old for old, new in _TRANSFORM.items()}


def upgrade_layers(net: Any, problem: Callable[[str], None]) -> list[int]:
    """Turn every V0 layer of `net.layers` into a V1 layer, padding layers into their readers' pads.

    Returns for each remaining layer its index before. `problem` is called with what has no place in
    the new form. Raises ModelError for types and wirings that Caffe refuses.
    """
    kept = _fold_padding(net)
    old_layers = [net.layers[index] for index in kept]
    layers = []
    for old in old_layers:
        layers.append(_layer(old, problem) if old.HasField("layer") else old)
    fresh = type(net)()
    fresh.layers.extend(layers)
    net.ClearField("layers")
    net.MergeFrom(fresh)
    return kept


def _fold_padding(net: Any) -> list[int]:
    """Give the pad of every padding layer to the layers that read it; the indexes of all others."""
    maker = dict.fromkeys(net.input, -1)
    kept = []
    for index, layer in enumerate(net.layers):
        if layer.layer.type != "padding":
            kept.append(index)
        for j, name in enumerate(layer.bottom):
            if name not in maker:
                raise ModelError(f"Unknown blob input {name} to layer {j}", layer.layer.name)
            source = net.layers[maker[name]] if maker[name] >= 0 else None
            if source is None or source.layer.type != "padding":
                continue
            reader = layer.layer
            if reader.type not in _WINDOWS:
                raise ModelError(
                    f"Padding layer input to non-convolutional / non-pooling layer type {reader.type}",
                    reader.name,
                )
            if len(layer.bottom) != 1 or len(source.bottom) != 1 or len(source.top) != 1:
                raise ModelError(
                    f"padding layer {source.layer.name} and its reader {reader.name} take one bottom each",
                    reader.name,
                )
            reader.pad = source.layer.pad
            layer.bottom[j] = source.bottom[0]
        for name in layer.top:
            maker[name] = index
    return kept


def _layer(old: Any, problem: Callable[[str], None]) -> Any:
    """The V1 layer for a V0 layer and its connections."""
    v0 = old.layer
    if v0.HasField("type") and v0.type not in TYPES:
        raise ModelError(f"Unknown layer name: {v0.type}; V0 knows {', '.join(sorted(TYPES))}", v0.name)
    new = message_class("V1LayerParameter")(bottom=old.bottom, top=old.top)
    if v0.HasField("name"):
        new.name = v0.name
    if v0.HasField("type"):
        new.type = new.LayerType.Value(TYPES[v0.type])
    new.blobs.extend(v0.blobs)
    new.blobs_lr.extend(v0.blobs_lr)
    new.weight_decay.extend(v0.weight_decay)
    for descriptor, value in v0.ListFields():
        name = descriptor.name
        if name in _TRANSFORM:
            setattr(new.transform_param, _TRANSFORM[name], value)
        elif name == "hdf5_output_param" and v0.type == "hdf5_output":
            new.hdf5_output_param.CopyFrom(value)
        elif name in _FIELDS and v0.type in _FIELDS[name][1]:
            _put(getattr(new, _FIELDS[name][1][v0.type]), _FIELDS[name][0], value)
        elif name not in _OWN:
            problem(f"Unknown parameter {name} for layer type {v0.type}")
    return new


def _put(message: Any, name: str, value: Any) -> None:
    """Set a field, append to it or copy into it, whichever it takes."""
    target = getattr(message, name)
    if hasattr(target, "CopyFrom") and hasattr(value, "DESCRIPTOR"):
        target.CopyFrom(value)
    elif hasattr(target, "append"):
        target.append(value)
    else:
        setattr(message, name, value)

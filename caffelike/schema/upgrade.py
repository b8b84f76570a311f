"""Turns definitions of all generations into the current form, as Caffe does when it reads them.

V0 layers -> V1 layers -> V2 layers; transform fields of data layers -> transform_param; `input` -> an
Input layer; BatchNorm's three params -> rates of 0; solver_type -> type. Texts and binary files
alike: these are functions on messages, and they change the message they are given.
`concat_dim` and `slice_dim` stay: Concat and Slice read them, as in Caffe.
"""

from typing import Any

from caffelike import log
from caffelike.errors import ModelError
from caffelike.schema import upgrade_v0

V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
# Types that forks added to the enum, where the new name is not made of the old one's words.
_FORK_TYPES = {
    "BATCH_NORM": "BatchNorm",
    "BN": "BN",
    "ELTWISE_PRODUCT": "Eltwise",
    "LRN_MAP": "LRNMap",
    "PRELU": "PReLU",
    "RELU6": "ReLU6",
    "ROIPOOLING": "ROIPooling",
    "ROI_POOLING": "ROIPooling",
    "SOFTMAX_LOSS_TREE": "SoftmaxWithLossTree",
    "TRANSFORM_SOFTMAX_LOSS": "TransformSoftmaxWithLoss",
}
_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
    "SAG": "SAG",
}
# Data layers of V1 whose own fields are now transform_param's.
_DATA_LAYERS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_MOVED = ("scale", "mean_file", "crop_size", "mirror")

Origin = tuple[str | int, ...]


def net_needs_upgrade(net: Any) -> bool:
    """Whether any part of a NetParameter has an old form."""
    return bool(net.layers or net.input) or any(_old_batch_norm(layer) for layer in net.layer)


def upgrade_net(
    net: Any,
    filename: str = "",
    origins: list[Origin] | None = None,
    problems: list[str] | None = None,
    order: list[tuple[str, int]] | None = None,
) -> bool:
    """Bring a NetParameter to the current form, logging what Caffe logs; returns whether it changed.

    `origins` receives for each resulting layer the path of what it was made of, such as
    ("layers", 3). `problems` receives what had no place in the new form (Caffe logs it and goes on).
    `order` tells how entries of `layer` and `layers` follow each other in a file that holds both.
    Raises ModelError for what Caffe refuses.
    """
    problems = [] if problems is None else problems
    found: list[Origin] = [("layer", index) for index in range(len(net.layer))]
    changed = net_needs_upgrade(net)
    if net.layers:
        found = _upgrade_layers(net, filename, found, problems, order)
    if net.input and _upgrade_input(net, filename):
        found.insert(0, ("input", 0))
    if any(_old_batch_norm(layer) for layer in net.layer):
        _upgrade_batch_norm(net, filename)
    if origins is not None:
        origins[:] = found
    return changed


def upgrade_solver(solver: Any, filename: str = "") -> bool:
    """Turn solver_type into type; returns whether it was there. Raises ModelError when both are."""
    if not solver.HasField("solver_type"):
        return False
    log.info(
        "upgrade_proto.cpp:1113",
        "Attempting to upgrade input file specified using deprecated 'solver_type' field (enum)': " + filename,
    )
    if solver.HasField("type"):
        raise ModelError(
            "Failed to upgrade solver: old solver_type field (enum) and new type field (string) cannot be"
            f" both specified in solver proto text. Remove solver_type from {filename or 'it'}."
        )
    solver.type = _SOLVER_TYPES[solver.SolverType.Name(solver.solver_type)]
    solver.ClearField("solver_type")
    log.info(
        "upgrade_proto.cpp:1120",
        "Successfully upgraded file specified using deprecated 'solver_type' field (enum) to 'type' field (string).",
    )
    log.warning(
        "upgrade_proto.cpp:1122",
        "Note that future Caffe releases will only support 'type' field (string) for a solver's type.",
    )
    return True


def v1_type_name(word: str) -> str:
    """The type string of a V1 enum word: CONVOLUTION -> Convolution, also for the forks' words."""
    known = V1_TYPES.get(word) or _FORK_TYPES.get(word)
    if known is not None or word == "NONE":
        return known or ""
    return "".join(part.capitalize() for part in word.split("_")).replace("3d", "3D")


def _upgrade_layers(
    net: Any, filename: str, found: list[Origin], problems: list[str], order: list[tuple[str, int]] | None
) -> list[Origin]:
    """V0 and V1 layers to V2 layers; returns the origins of all layers."""
    indexes = list(range(len(net.layers)))
    if any(layer.HasField("layer") for layer in net.layers):
        indexes = _upgrade_v0(net, filename, problems)
    if any(_old_transform(layer) for layer in net.layers):
        _upgrade_transform(net, filename)
    log.info(
        "upgrade_proto.cpp:53",
        f"Attempting to upgrade input file specified using deprecated V1LayerParameter: {filename}",
    )
    before = len(problems)
    made = {("layer", index): layer for index, layer in enumerate(net.layer)}
    for index, layer in zip(indexes, net.layers, strict=True):
        made["layers", index] = _v2_layer(layer, type(net)().layer.add(), problems)
    places = found + [("layers", index) for index in indexes]
    if order is not None:
        rank = {place: position for position, place in enumerate(order)}
        places.sort(key=lambda place: rank.get((str(place[0]), int(place[1])), len(rank)))
    fresh = type(net)()
    fresh.layer.extend(made[str(place[0]), int(place[1])] for place in places)
    net.ClearField("layers")
    net.ClearField("layer")
    net.MergeFrom(fresh)
    if len(problems) > before:
        log.error(
            "upgrade_proto.cpp:58",
            "Warning: had one or more problems upgrading V1LayerParameter (see above); continuing anyway.",
        )
    else:
        log.info("upgrade_proto.cpp:61", "Successfully upgraded file specified using deprecated V1LayerParameter")
    return places


def _upgrade_v0(net: Any, filename: str, problems: list[str]) -> list[int]:
    log.info(
        "upgrade_proto.cpp:26",
        f"Attempting to upgrade input file specified using deprecated V0LayerParameter: {filename}",
    )
    before = len(problems)

    def problem(text: str) -> None:
        log.error("upgrade_proto.cpp:212", text)
        problems.append(text)

    indexes = upgrade_v0.upgrade_layers(net, problem)
    if len(problems) > before:
        log.error(
            "upgrade_proto.cpp:31",
            "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see above);"
            " continuing anyway.",
        )
    else:
        log.info("upgrade_proto.cpp:34", "Successfully upgraded file specified using deprecated V0LayerParameter")
    log.warning(
        "upgrade_proto.cpp:37",
        "Note that future Caffe releases will not support V0NetParameter; use"
        " ./build/tools/upgrade_net_proto_text for prototxt and ./build/tools/upgrade_net_proto_binary for"
        " model weights upgrade this and any other net protos to the new format.",
    )
    return indexes


def _transform_source(layer: Any) -> Any:
    """The message of a V1 data layer that may hold transform fields, or None."""
    name = _DATA_LAYERS.get(_v1_word(layer), "")
    return getattr(layer, name) if name and layer.HasField(name) else None


def _old_transform(layer: Any) -> bool:
    source = _transform_source(layer)
    return source is not None and any(source.HasField(name) for name in _MOVED)


def _upgrade_transform(net: Any, filename: str) -> None:
    log.info(
        "upgrade_proto.cpp:44",
        "Attempting to upgrade input file specified using deprecated transformation parameters: " + filename,
    )
    for layer in net.layers:
        source = _transform_source(layer)
        for name in _MOVED if source is not None else ():
            if source.HasField(name):
                setattr(layer.transform_param, name, getattr(source, name))
                source.ClearField(name)
    log.info(
        "upgrade_proto.cpp:47",
        "Successfully upgraded file specified using deprecated data transformation parameters.",
    )
    log.warning(
        "upgrade_proto.cpp:49",
        "Note that future Caffe releases will only support transform_param messages for transformation fields.",
    )


def _v1_word(layer: Any) -> str:
    """The enum word of a V1 layer's type; a number no schema knows as it is."""
    value = layer.LayerType.DESCRIPTOR.values_by_number.get(layer.type)
    return value.name if value is not None else str(layer.type)


def _v2_layer(old: Any, new: Any, problems: list[str]) -> Any:
    """Fill a LayerParameter with what a V1 layer says."""
    if old.HasField("type"):
        new.type = v1_type_name(_v1_word(old))
    for index, name in enumerate(old.param):
        _param(new, index).name = name
    for index, mode in enumerate(old.blob_share_mode):
        _param(new, index).share_mode = mode
    for index, rate in enumerate(old.blobs_lr):
        _param(new, index).lr_mult = rate
    for index, decay in enumerate(old.weight_decay):
        _param(new, index).decay_mult = decay
    for descriptor, value in old.ListFields():
        name = descriptor.name
        if name in ("type", "param", "blob_share_mode", "blobs_lr", "weight_decay"):
            continue
        if name == "layer":
            problems.append("Input NetParameter has V0 layer -- ignoring.")
            log.error("upgrade_proto.cpp:867", problems[-1])
        elif name in ("name", "force_backward"):
            setattr(new, name, value)
        elif hasattr(getattr(new, name), "extend"):
            getattr(new, name).extend(value)
        else:
            getattr(new, name).CopyFrom(value)
    return new


def _param(layer: Any, index: int) -> Any:
    while len(layer.param) <= index:
        layer.param.add()
    return layer.param[index]


def _upgrade_input(net: Any, filename: str) -> bool:
    """`input` and its shapes become one Input layer at the front; whether there were shapes."""
    log.info(
        "upgrade_proto.cpp:67",
        f"Attempting to upgrade input file specified using deprecated input fields: {filename}",
    )
    count, shapes, dims = len(net.input), len(net.input_shape), len(net.input_dim)
    shaped = bool(shapes or dims)
    if shaped and (shapes < count if shapes else dims < 4 * count):
        raise ModelError(
            f"{filename or 'the net'} has {count} inputs but "
            + (f"{shapes} input_shape; give one for each input" if shapes else f"{dims} input_dim; give four for each")
        )
    if shaped:
        fresh = type(net)()
        layer = fresh.layer.add(name="input", type="Input", top=net.input)
        for index in range(count):
            shape = layer.input_param.shape.add()
            if shapes:
                shape.CopyFrom(net.input_shape[index])
            else:
                shape.dim.extend(net.input_dim[4 * index : 4 * index + 4])
        fresh.layer.extend(net.layer)
        net.ClearField("layer")
        net.MergeFrom(fresh)
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)
    log.info("upgrade_proto.cpp:70", "Successfully upgraded file specified using deprecated input fields.")
    log.warning(
        "upgrade_proto.cpp:72",
        "Note that future Caffe releases will only support input layers and not input fields.",
    )
    return shaped


def _old_batch_norm(layer: Any) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3


def _upgrade_batch_norm(net: Any, filename: str) -> None:
    log.info("upgrade_proto.cpp:77", f"Attempting to upgrade batch norm layers using deprecated params: {filename}")
    for layer in net.layer:
        for param in layer.param if _old_batch_norm(layer) else ():
            param.lr_mult = param.decay_mult = 0
    log.info("upgrade_proto.cpp:80", "Successfully upgraded batch norm layers using deprecated params.")

"""Caffe's three upgrade tools: a definition or weights of any generation in, the current form out."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError

from caffelike import log
from caffelike.errors import WeightsError
from caffelike.files import atomic_path
from caffelike.schema import message_class
from caffelike.schema.reader import read
from caffelike.schema.stored import LayerArrays, WeightsFile
from caffelike.schema.upgrade import Origin, net_needs_upgrade, upgrade_net, upgrade_solver
from caffelike.schema.weights import layer_message, read_weights, readable, write_net
from caffelike.schema.writer import format_text


def upgrade_net_proto_text(source: str, target: str) -> bool:
    """Read a net's text in any form and write it in the current one; False when parts had no place.

    A net that is already current is written too, after an error line, as by Caffe's tool.
    """
    net = read(source, message_class("NetParameter")).message
    problems: list[str] = []
    if net_needs_upgrade(net):
        upgrade_net(net, source, problems=problems)
        if problems:
            log.error(
                "upgrade_net_proto_text.cpp:39",
                "Encountered error(s) while upgrading prototxt; see details above.",
            )
    else:
        log.error("upgrade_net_proto_text.cpp:43", f"File already in latest proto format: {source}")
    _write_text(target, net)
    log.info("upgrade_net_proto_text.cpp:49", f"Wrote upgraded NetParameter text proto to {target}")
    return not problems


def upgrade_net_proto_binary(source: str, target: str) -> bool:
    """Read a .caffemodel in any form and write it in the current one; False when parts had no place.

    Arrays go through one at a time: files beyond 2 GB are fine. Raises FileError, WeightsError.
    """
    file = read_weights(source)
    if file.generation == "HDF5":
        raise WeightsError(f"{source} is an HDF5 file; those have one form only, there is nothing to upgrade")
    net = _net_message(file)
    problems: list[str] = []
    origins: list[Origin] = [("layer", index) for index in range(len(net.layer))]
    if net_needs_upgrade(net):
        upgrade_net(net, source, origins, problems)
        if problems:
            log.error(
                "upgrade_net_proto_binary.cpp:37",
                "Encountered error(s) while upgrading prototxt; see details above.",
            )
    else:
        log.error("upgrade_net_proto_binary.cpp:41", f"File already in latest proto format: {source}")
    head = type(net)()
    head.CopyFrom(net)
    head.ClearField("layer")
    write_net(target, head.SerializePartialToString(deterministic=True), _layers(file, net, origins))
    log.info("upgrade_net_proto_binary.cpp:46", f"Wrote upgraded NetParameter binary proto to {target}")
    return not problems


def weights_need_upgrade(path: str) -> bool:
    """Whether a file of weights has an old form. Raises FileError, WeightsError."""
    file = read_weights(path)
    return file.generation != "HDF5" and net_needs_upgrade(_net_message(file))


def _net_message(file: WeightsFile) -> Any:
    """The net of a file of weights, with all layers but without their blobs."""
    source, pieces, position = file.source, [], 0
    for item in source.fields(what="the net"):
        if item.number not in (2, 100):
            pieces.append(bytes(source.data[position : item.end]))
        position = item.end
    try:
        net = readable(message_class("NetParameter").FromString(b"".join(pieces)))
    except DecodeError as error:
        raise WeightsError(f"{file.path}: the net's own fields cannot be read ({error})") from error
    for layer in file.layers:
        (net.layer if layer.generation == "V2" else net.layers).append(layer_message(file, layer))
    return net


def _layers(file: WeightsFile, net: Any, origins: list[Origin]) -> Iterator[LayerArrays]:
    """Each upgraded layer with the arrays of the stored one it came from."""
    new = [layer for layer in file.layers if layer.generation == "V2"]
    old = [layer for layer in file.layers if layer.generation != "V2"]
    for layer, (name, *index) in zip(net.layer, origins, strict=True):
        stored = {"layer": new, "layers": old}.get(str(name))
        yield LayerArrays(layer, stored[int(index[0])].blobs if stored is not None else [])


def upgrade_solver_proto_text(source: str, target: str) -> bool:
    """Read a solver's text and write it in the current form; returns True."""
    solver = read(source, message_class("SolverParameter")).message
    if not upgrade_solver(solver, source):
        log.error("upgrade_solver_proto_text.cpp:42", f"File already in latest proto format: {source}")
    _write_text(target, solver)
    log.info("upgrade_solver_proto_text.cpp:48", f"Wrote upgraded SolverParameter text proto to {target}")
    return True


def _write_text(target: str, message: Any) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text(format_text(message), encoding="ascii")

"""Reads the definitions people write (nets, solvers) and brings them to the current form."""

import os
from typing import Any

from caffelike import log
from caffelike.errors import ParseError
from caffelike.files import atomic_path
from caffelike.schema import message_class
from caffelike.schema.reader import Document, read
from caffelike.schema.upgrade import Origin, net_needs_upgrade, upgrade_net, upgrade_solver
from caffelike.schema.upgrade_v0 import OLD_NAMES
from caffelike.schema.writer import format_text

_VERSION_FIELDS = {"lr_mult": "blobs_lr", "decay_mult": "weight_decay", "share_mode": "blob_share_mode"}


class NetDocument:
    """A net in its current form, and where in the text each layer and field stood.

    message: the NetParameter, upgraded; document: the text as it was; changed: whether it was old.
    """

    def __init__(self, document: Document, origins: list[Origin], changed: bool):
        self.document, self.origins, self.changed = document, origins, changed
        self.message = document.message
        self.filename = document.filename

    def where(self, *path: str | int) -> str:
        """file:line:column of a field as the text names it, such as ("name",)."""
        return self.document.where(*path)

    def where_layer(self, index: int, *path: str | int) -> str:
        """file:line:column of a field of `message.layer[index]`, also when an old form stood there."""
        return self.document.where(*self._text_path(index, path))

    def error(self, message: str, index: int, *path: str | int) -> ParseError:
        """An error that stands at a layer, or at one of its fields."""
        return self.document.error(message, *self._text_path(index, path))

    def _text_path(self, index: int, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The path in the text of a path in the upgraded layer: the first spelling that is there."""
        origin = self.origins[index]
        names = [part for part in path if isinstance(part, str)]
        last = names[-1] if names else ""
        numbers = [part for part in path if isinstance(part, int)]
        old: Origin = (_VERSION_FIELDS.get(last, last), *numbers[:1])
        spellings: list[Origin] = [(*origin, *path)]
        if origin[0] == "layers" and names:
            spellings += [
                (*origin, *old),
                (*origin, "data_param", last),
                (*origin, "layer", OLD_NAMES.get(last, last)),
                (*origin, "layer", *old),
            ]
        return next((found for found in spellings if self.document.has(*found)), spellings[0])


def read_net(path: str | os.PathLike, problems: list[ParseError] | None = None) -> NetDocument:
    """The net of a .prototxt in its current form, with Caffe's log lines about what was upgraded.

    With `problems` errors of the text are collected there instead of the first being raised.
    Raises FileError, ParseError, and ModelError for old forms that Caffe refuses.
    """
    document = read(path, message_class("NetParameter"), problems)
    return upgraded_net(document)


def upgraded_net(document: Document) -> NetDocument:
    """Bring the net of a document to the current form."""
    origins: list[Origin] = []
    order = sorted(
        ((str(name), index) for name in ("layer", "layers") for index in range(len(getattr(document.message, name)))),
        key=lambda place: document.position(*place),
    )
    changed = upgrade_net(document.message, document.filename, origins, order=order)
    return NetDocument(document, origins, changed)


def read_solver(path: str | os.PathLike, problems: list[ParseError] | None = None) -> Document:
    """The solver of a .prototxt in its current form; nets written inside it too. Raises as read_net."""
    document = read(path, message_class("SolverParameter"), problems)
    solver = document.message
    upgrade_solver(solver, document.filename)
    for name in ("net_param", "train_net_param"):
        if solver.HasField(name):
            upgrade_net(getattr(solver, name), document.filename)
    for net in solver.test_net_param:
        upgrade_net(net, document.filename)
    return document


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

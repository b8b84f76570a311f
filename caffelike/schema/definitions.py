"""Reads the definitions people write (nets, solvers) and brings them to the current form."""

import os

from caffelike.errors import ParseError
from caffelike.schema import message_class
from caffelike.schema.reader import Document, read
from caffelike.schema.upgrade import Origin, upgrade_net, upgrade_solver
from caffelike.schema.upgrade_v0 import OLD_NAMES

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

    def has(self, index: int, *path: str | int) -> bool:
        """Whether the text holds a field of `message.layer[index]`."""
        return self.document.has(*self._text_path(index, path))

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


def upgraded_net(document: Document, problems: list[str] | None = None) -> NetDocument:
    """Bring the net of a document to the current form; `problems` receives what had no place in it."""
    origins: list[Origin] = []
    order = sorted(
        ((str(name), index) for name in ("layer", "layers") for index in range(len(getattr(document.message, name)))),
        key=lambda place: document.position(*place),
    )
    changed = upgrade_net(document.message, document.filename, origins, problems, order)
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

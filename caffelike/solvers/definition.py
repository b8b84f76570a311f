"""From a solver.prototxt to the nets that it trains and tests."""

import os
from collections.abc import Iterator
from typing import Any

from caffelike import log
from caffelike.data.paths import missing, resolve
from caffelike.errors import FileError, SolverError
from caffelike.graph.net import Net
from caffelike.schema import TEST, TRAIN, message_class, text
from caffelike.schema.dialects import Foreign, foreign_fields

_TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
_HONOURED = (
    "warmup_iter", "warmup_start_lr", "plateau_winsize", "min_lr", "stagelr", "stageiter",
    "local_lr_auto", "local_gw_ratio", "larc", "larc_policy", "larc_eta", "rampup_interval", "rampup_lr",
    "eval_type", "ap_version", "show_per_class_result",
)  # fmt: skip
"""Fields of forks that lr.py and detection.py read."""


def read(path: str) -> Any:
    """The SolverParameter in a file, in today's form and with a snapshot_prefix.

    The prefix is the file's own path without its extension if none is given; a prefix that is a folder gets the
    file's name appended. Raises FileError, ParseError.
    """
    param = text.read_solver(path).message
    stem = os.path.splitext(path)[0]
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = stem
        log.info("upgrade_proto.cpp:1107", f"snapshot_prefix was not specified and is set to {stem}")
    elif os.path.isdir(param.snapshot_prefix):
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, os.path.basename(stem))
        log.info(
            "upgrade_proto.cpp:1112", f"snapshot_prefix was a directory and is replaced to {param.snapshot_prefix}"
        )
    return param


def foreign(param: Any) -> Iterator[Foreign]:
    """What forks brought into a solver that this one does not know; speed hints too. Its nets are left to them."""
    for field in foreign_fields(param):
        ours = field.forks == "caffelike" or field.path[0] in _HONOURED
        if not ours and field.path[0] not in (*_TRAIN_FIELDS, "test_net_param"):
            yield field


def refuse_foreign(param: Any, filename: str) -> None:
    """Raise SolverError for a fork's field that would change the training and that nobody here reads."""
    for field in foreign(param):
        if field.hint:
            log.info("solver.cpp:45", f"{field.name} ({field.forks}) changes no numbers here; ignored")
        else:
            raise SolverError(
                f"{_at(filename)}{field.name} belongs to the fork(s) {field.forks} and would change the training, but"
                " this solver does not know it. Remove it if the training does not depend on it."
            )


def announce(param: Any) -> None:
    """Log the options that training runs with."""
    if log.logger.isEnabledFor(20):
        log.info("solver.cpp:45", "Initializing solver from parameters: \n" + text.format(param).rstrip("\n"))


def train_entry(param: Any, filename: str) -> tuple[str, Any]:
    """The one field that gives the net to be trained, and its value (a path or a NetParameter). Raises SolverError."""
    given = [field for field in _TRAIN_FIELDS if param.HasField(field)]
    listed = ", ".join(_TRAIN_FIELDS)
    if not given:
        raise SolverError(
            f"{_at(filename)}SolverParameter must specify a train net using one of these fields: {listed}."
        )
    if len(given) > 1:
        raise SolverError(
            f"{_at(filename)}SolverParameter must not contain more than one of these fields specifying a train net:"
            f" {listed}; it has {' and '.join(given)}."
        )
    return given[0], getattr(param, given[0])


def training_file(param: Any, filename: str) -> str | None:
    """The prototxt of the net to be trained; None where the solver's own file holds it. Raises SolverError."""
    _, value = train_entry(param, filename)
    return _found(value, filename) if isinstance(value, str) else None


def training_net(param: Any, filename: str) -> Net:
    """Build the net to be trained and copy `weights:` into it. Raises SolverError unless one field names it."""
    field, value = train_entry(param, filename)
    if field == "net":
        log.info("solver.cpp:102", f"Creating training net from net file: {value}")
    elif field == "train_net":
        log.info("solver.cpp:93", f"Creating training net from train_net file: {value}")
    else:
        log.info("solver.cpp:97", f"Creating training net specified in {field}.")
    return _build(value, TRAIN, param.train_state, filename, param.weights)


def test_entries(param: Any, filename: str) -> list[tuple[str, Any, Any]]:
    """(field, its value, NetState) of each test net, one for each test_iter. Raises SolverError.

    In order: each test_net_param, each test_net, then net_param or net as often as test_iter is left.
    """
    named = [("test_net_param", value) for value in param.test_net_param]
    named += [("test_net", value) for value in param.test_net]
    for field in ("net_param", "net"):
        if param.HasField(field):
            named += [(field, getattr(param, field))] * (len(param.test_iter) - len(named))
    if len(param.test_iter) != len(named):
        raise SolverError(
            f"{_at(filename)}test_iter must be specified for each test network: there are {len(named)} test nets and"
            f" {len(param.test_iter)} test_iter."
        )
    states = param.test_state
    if states and len(states) != len(named):
        raise SolverError(
            f"{_at(filename)}test_state must be unspecified or specified once per test net: there are {len(named)} test"
            f" nets and {len(states)} test_state."
        )
    if named and param.test_interval <= 0:
        raise SolverError(f"{_at(filename)}test_interval must be greater than 0 where there is a test net (test_iter).")
    return [
        (field, value, states[i] if states else message_class("NetState")()) for i, (field, value) in enumerate(named)
    ]


def test_nets(param: Any, filename: str, train: Net) -> list[Net]:
    """Build the test nets that `test_entries` lists; they share the weights of `train`."""
    nets = []
    for i, (field, value, state) in enumerate(test_entries(param, filename)):
        source = field if field.endswith("_param") else f"{field} file: {value}"
        log.info("solver.cpp:190", f"Creating test net (#{i}) specified by {source}")
        nets.append(_build(value, TEST, state, filename, param.weights, share=train))
    return nets


def _build(value: Any, phase: int, state: Any, filename: str, weights: Any, share: Net | None = None) -> Net:
    """A net from a path or a NetParameter, its own `state` overridden by the solver's."""
    if isinstance(value, str):
        path = _found(value, filename)
        document = text.read_net(path)
        message, where = document.message, document.where_layer
    else:
        path, message, where = filename, type(value)(), None
        message.CopyFrom(value)
    message.state.CopyFrom(merged_state(message, phase, state))
    net = Net.build(message, filename=path, where=where, share=share)
    files = []
    for names in weights:
        for name in names.split(","):
            log.info("solver.cpp:72", f"Finetuning from {name.strip()}")
            files.append(_found(name.strip(), filename))
            net.copy_from(files[-1])
    if share is None:
        for line in net.unmatched_weights(files) if files else ():
            log.info("solver.cpp:72", line)
    return net


def merged_state(net: Any, phase: int, state: Any) -> Any:
    """The NetState that a solver builds a net in: the net's own, overridden by `state`."""
    merged = message_class("NetState")(phase=phase)
    merged.MergeFrom(net.state)
    merged.MergeFrom(state)
    return merged


def _found(path: str, filename: str) -> str:
    """Where a file is that the solver names. Raises FileError if it is nowhere."""
    found = resolve(path, os.path.dirname(filename))
    if not os.path.exists(found):
        raise FileError(f"{_at(filename)}{missing(path, 'file')}")
    return found


def _at(filename: str) -> str:
    return f"{filename}: " if filename else ""

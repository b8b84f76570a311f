"""Snapshots: `<prefix>_iter_N.caffemodel` and `.solverstate` (Caffe's, in both directions), and going on from them."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from caffelike import log
from caffelike.errors import FileError, SolverError, WeightsError
from caffelike.files import atomic_path
from caffelike.schema import state as stored
from caffelike.solvers import resume


def probe(param: Any) -> None:
    """Raise unless snapshots can be written, so that it is said before training starts."""
    prefix = param.snapshot_prefix
    if not prefix:
        raise SolverError(
            'In solver params, snapshot is specified but snapshot_prefix is not. Add snapshot_prefix: "folder/name".'
        )
    folder = os.path.dirname(prefix) or "."
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{os.path.basename(prefix)}_iter_", dir=folder):
            pass
    except OSError as error:
        raise FileError(
            f"Cannot write to snapshot prefix '{prefix}' ({error.strerror}). Make sure that the directory"
            f" {os.path.abspath(folder)} exists and is writable."
        ) from error


def write(solver: Any) -> str:
    """Write weights, solver state and side file of this iteration; returns the state's path. Raises FileError.

    All three are complete on disk before the first is renamed, the state last: where a state stands, the rest does too.
    """
    p = solver.param
    hdf5 = p.snapshot_format == p.HDF5
    stem = f"{p.snapshot_prefix}_iter_{solver.iter}"
    kind, tail = ("HDF5 file", ".h5") if hdf5 else ("binary proto file", "")
    model, state = f"{stem}.caffemodel{tail}", f"{stem}.solverstate{tail}"
    for listener in solver.listeners:
        listener.before_snapshot(solver, stem)
    with atomic_path(state) as new_state, atomic_path(resume.path_of(state)) as side, atomic_path(model) as new_model:
        log.info("solver.cpp:474" if hdf5 else "solver.cpp:464", f"Snapshotting to {kind} {model}")
        (solver.net.save_hdf5 if hdf5 else solver.net.save)(new_model, p.snapshot_diff)
        log.info("sgd_solver.cpp:299" if hdf5 else "sgd_solver.cpp:284", f"Snapshotting solver state to {kind} {state}")
        history = [array.reshape(own.blob.shape) for own, array in _histories(solver)]
        write_state = stored.write_hdf5_state if hdf5 else stored.write_state
        write_state(os.fspath(new_state), solver.iter, model, solver.current_step, history)
        resume.write(solver, side)
    for listener in solver.listeners:
        listener.after_snapshot(solver, stem)
    return state


def restore(solver: Any, path: str) -> None:
    """Give the solver the iteration, weights and histories of a snapshot. Raises FileError, WeightsError."""
    if not os.path.isfile(path):
        raise FileError(f"Could not open file {path}: there is no such solver state.")
    found = stored.read_state(path)
    targets = _histories(solver)
    _check_history(found.history, targets, path)
    if found.learned_net:
        solver.net.copy_from(_weights_path(found.learned_net, path))
    log.info("sgd_solver.cpp:336", "SGDSolver: restoring history")
    for (_, array), values in zip(targets, found.history, strict=True):
        values.copy_into(array)
    solver.iter, solver.current_step = found.iter, found.current_step
    resume.read(solver, resume.path_of(path))


def _histories(solver: Any) -> list[tuple[Any, np.ndarray]]:
    """(parameter, 1-D history) in the order of a .solverstate: all first histories, then all second ones."""
    return [
        (own, history[own.offset : own.offset + own.count])
        for history in solver.history
        for own in solver.net.learnable
    ]


def _check_history(history: list[Any], targets: list[tuple[Any, np.ndarray]], path: str) -> None:
    if len(history) != len(targets):
        raise WeightsError(
            f"{path}: Incorrect length of history blobs: the file has {len(history)}, this solver and net need"
            f" {len(targets)}. It belongs to another net or to another solver type."
        )
    for i, ((own, array), values) in enumerate(zip(targets, history, strict=True)):
        if values.count != array.size:
            raise WeightsError(
                f"{path}: history blob {i} has {values.count} values, but parameter {own.index} of layer '{own.layer}'"
                f" has {array.size} ({own.blob.shape}). The state belongs to another net."
            )


def _weights_path(learned_net: str, state: str) -> str:
    """The weights a state names: relative to the working folder, as Caffe takes it, else beside the state."""
    if os.path.isfile(learned_net):
        return learned_net
    beside = Path(state).parent / Path(learned_net.replace("\\", "/")).name
    if beside.is_file():
        log.warning("sgd_solver.cpp:320", f"{learned_net} does not exist; reading {beside}, beside the solver state.")
        return os.fspath(beside)
    raise FileError(
        f"{state} belongs to the weights {learned_net}, which are neither there nor beside it ({beside})."
        " Put the .caffemodel next to the .solverstate."
    )

"""Solver states (.solverstate, .solverstate.h5): iteration, path of the weights, step, histories."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from caffelike.errors import WeightsError
from caffelike.files import atomic_path
from caffelike.schema.stored import blob_pieces, read_blob
from caffelike.schema.weights_hdf5 import HDF5Blob, checked, is_hdf5, member, opened
from caffelike.schema.wire import BYTES, VARINT, Source, header, length_of, varint, write_pieces

_MAX_BLOBS = 1_000_000


@dataclass
class SolverStateFile:
    """What a solver state holds; `history` are arrays as in `stored.StoredBlob`."""

    path: str
    iter: int
    learned_net: str
    current_step: int
    history: list[Any]


def read_state(path: str | os.PathLike) -> SolverStateFile:
    """A .solverstate; HDF5 is known by its first bytes. Raises FileError, WeightsError."""
    source = Source.open(path)
    return read_hdf5_state(path) if is_hdf5(source.data) else parse_state(source)


def parse_state(source: Source) -> SolverStateFile:
    """`read_state` on bytes: `parse_state(Source(data, "a name for errors"))`."""
    state = SolverStateFile(source.name, 0, "", 0, [])
    for item in source.fields(what="the solver state"):
        match item.number, item.wire:
            case (1, wire) if wire == BYTES:
                raise _is_weights(source.name)
            case (100, _):
                raise _is_weights(source.name)
            case (1, wire) if wire == VARINT:
                state.iter = _int32(item.value)
            case (2, wire) if wire == BYTES:
                state.learned_net = source.text(item)
            case (3, wire) if wire == BYTES:
                what = f"history blob {len(state.history)}"
                state.history.append(read_blob(source, item.start, item.end, what))
            case (4, wire) if wire == VARINT:
                state.current_step = _int32(item.value)
        if len(state.history) > _MAX_BLOBS:
            raise source.error(f"more than {_MAX_BLOBS} history blobs: this is no solver state", item.start)
    if state.iter < 0 or state.current_step < 0:
        raise WeightsError(f"{source.name}: iteration {state.iter}, step {state.current_step}: the file is damaged")
    return state


def _is_weights(name: str) -> WeightsError:
    return WeightsError(
        f"{name} holds the weights of a net, not a solver state: give the .solverstate as -snapshot,"
        " or this file as -weights to fine-tune"
    )


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def write_state(
    path: str | os.PathLike, iteration: int, learned_net: str, current_step: int, history: Sequence[np.ndarray]
) -> None:
    """Write a .solverstate that Caffe reads, complete or not at all. Raises FileError."""
    name = os.fspath(learned_net).encode()
    with atomic_path(path) as temporary, open(temporary, "wb", buffering=0) as file:
        write_pieces(file, [varint(1 << 3) + varint(iteration), header(2, len(name)), name])
        for array in history:
            pieces = blob_pieces(array)
            write_pieces(file, [header(3, length_of(pieces)), *pieces])
        write_pieces(file, [varint(4 << 3) + varint(current_step)])


def read_hdf5_state(path: str | os.PathLike) -> SolverStateFile:
    """A .solverstate.h5. Raises FileError, WeightsError."""
    name = os.fspath(path)
    with opened(path, "iter", "data: a file of weights; give the .solverstate.h5 as -snapshot") as file:
        learned_net = ""
        if "learned_net" in file:
            stored = member(file, "learned_net", name)[()]
            learned_net = stored.decode("utf-8", "replace") if isinstance(stored, bytes) else str(stored)
        group = member(file, "history", name) if "history" in file else {}
        history = [HDF5Blob(checked(member(group, str(i), name), name)) for i in range(len(group))]
        step = _number(file, "current_step", name) if "current_step" in file else 0
        return SolverStateFile(name, _number(file, "iter", name), learned_net, step, history)


def _number(file: h5py.File, key: str, path: str) -> int:
    """A dataset of one integer."""
    dataset = checked(member(file, key, path), path)
    value = int(np.ravel(dataset[()])[0]) if dataset.size == 1 else -1
    if value < 0:
        raise WeightsError(f"{path}: {key} is no single number from 0 up: the file is damaged")
    return value


def write_hdf5_state(
    path: str | os.PathLike, iteration: int, learned_net: str, current_step: int, history: Sequence[np.ndarray]
) -> None:
    """Write a .solverstate.h5 that Caffe reads, complete or not at all. Raises FileError."""
    text = os.fspath(learned_net).encode() + b"\0"
    # Caffe reads as many bytes as are stored and relies on the closing zero among them.
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("iter", data=np.array([iteration], np.int32))
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        dataset = h5py.h5d.create(file.id, b"learned_net", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(text, f"S{len(text)}"), kind)
        file.create_dataset("current_step", data=np.array([current_step], np.int32))
        group = file.create_group("history")
        for index, array in enumerate(history):
            group.create_dataset(str(index), data=np.asarray(array, np.float32))

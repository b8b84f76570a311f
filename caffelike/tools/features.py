"""Blobs of a net, batch after batch, into data bases or files, as Caffe's extract_features does."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caffelike import log
from caffelike.data import datum, writing
from caffelike.errors import CaffelikeError, FileError, ModelError
from caffelike.files import atomic_path
from caffelike.graph.net import Net
from caffelike.schema import TEST

KINDS = (*writing.BACKENDS, "hdf5", "npy")


def extract_features(
    weights: str | os.PathLike,
    net: str | os.PathLike,
    blobs: Sequence[str],
    outputs: Sequence[str | os.PathLike],
    batches: int,
    kind: str = "lmdb",
    tick: Callable[[int], object] = lambda done: None,
) -> int:
    """Run a net in phase TEST on its own data and keep the values of some blobs; returns the number of records.

    blobs, outputs: as many of each. batches: how many forward passes. kind: lmdb or leveldb: float Datums with keys
    0000000000, 0000000001, ...; hdf5: a data set of (records, ...) named like the blob; npy: such an array.
    tick(done): called after each batch. Raises FileError, WeightsError, ModelError, and CaffelikeError for arguments
    that do not fit together. Outputs appear when all is done, or none at all.
    """
    if len(blobs) != len(outputs):
        raise CaffelikeError(
            f"The number of blob names and dataset names must be equal: there are {len(blobs)} blobs"
            f" ({', '.join(blobs)}) and {len(outputs)} data sets."
        )
    if kind not in KINDS:
        raise CaffelikeError(f"Unknown db type '{kind}'; choose {', '.join(KINDS)}.")
    if batches < 1:
        raise CaffelikeError(f"num_mini_batches must be at least 1, but is {batches}.")
    made = Net(net, TEST, weights=weights)
    for name in blobs:
        if name not in made.blobs:
            raise ModelError(f"Unknown feature blob name {name} in the network {net}. It has {', '.join(made.blobs)}.")
    with ExitStack() as stack:
        sinks = []
        for name, output in zip(blobs, outputs, strict=True):
            log.info("extract_features.cpp:131", f"Opening dataset {os.fspath(output)}")
            sinks.append(_sink(stack, kind, output, name))
        log.error("extract_features.cpp:141", "Extracting Features")
        for batch in range(batches):
            made.run_forward()
            for name, sink in zip(blobs, sinks, strict=True):
                sink.add(np.atleast_1d(made.blobs[name].raw_data))
            tick(batch + 1)
        for name, sink in zip(blobs, sinks, strict=True):
            text = f"Extracted features of {sink.count} query images for feature blob {name}"
            log.error("extract_features.cpp:179", text)
    made.close()
    log.error("extract_features.cpp:184", "Successfully extracted the features!")
    return max((sink.count for sink in sinks), default=0)


def _sink(stack: ExitStack, kind: str, output: str | os.PathLike, blob: str) -> Any:
    if kind in writing.BACKENDS:
        return _Records(stack.enter_context(writing.create(output, kind)), blob)
    if Path(output).exists():
        raise FileError(f"{output} exists already. Remove it, or choose another name.")
    path = stack.enter_context(atomic_path(output))
    if kind == "npy":
        sink = _Array(path)
        stack.push(sink.finish)
        return sink
    return _DataSet(stack.enter_context(h5py.File(path, "w")), blob)


class _Records:
    """Float Datums in a data base: one for each item of the batch."""

    def __init__(self, database: writing.Writer, blob: str):
        self._database, self._blob = database, blob

    @property
    def count(self) -> int:
        return self._database.count

    def add(self, values: np.ndarray) -> None:
        if values.ndim > 4:
            raise ModelError(f"Blob {self._blob} has {values.ndim} axes; a record holds three. Write hdf5 or npy.")
        for item in values.reshape(values.shape + (1,) * (4 - values.ndim)):
            self._database.put(b"%010d" % self.count, datum.to_bytes(item))
            if self.count % 1000 == 0:
                text = f"Extracted features of {self.count} query images for feature blob {self._blob}"
                log.error("extract_features.cpp:168", text)


class _DataSet:
    """A data set of an HDF5 file that grows with each batch."""

    def __init__(self, file: h5py.File, blob: str):
        self._file, self._blob, self.count = file, blob, 0

    def add(self, values: np.ndarray) -> None:
        if self._blob not in self._file:
            self._file.create_dataset(self._blob, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
        else:
            data = self._file[self._blob]
            data.resize(self.count + len(values), axis=0)
            data[self.count :] = values
        self.count += len(values)


class _Array:
    """Batches kept in memory, written as one .npy at the end."""

    def __init__(self, path: Path):
        self._path, self._batches, self.count = path, list[np.ndarray](), 0

    def add(self, values: np.ndarray) -> None:
        self._batches.append(values.copy())
        self.count += len(values)

    def finish(self, kind: Any, error: Any, trace: Any) -> bool:
        """Write the file unless an error is on its way; called by the ExitStack."""
        if kind is None:
            with open(self._path, "wb") as file:
                np.save(file, np.concatenate(self._batches))
        return False

"""HDF5Data: arrays of HDF5 files, row by row."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import log, rng
from caffelike.blob import Blob
from caffelike.data.imagelist import read_text
from caffelike.data.paths import missing, resolve
from caffelike.data.shard import Shard, shard_of
from caffelike.errors import DataError, FileError, ModelError
from caffelike.layer import HostLayer
from caffelike.registry import register


@register("HDF5Data", param="hdf5_data_param")
class HDF5Data(HostLayer):
    """Delivers rows of the data sets named like its tops, file after file, over and over.

    tops: one or more, (batch_size, ...) as the data set of that name has (rows, ...). Values become float32.
    source: a text file that lists HDF5 files, separated by white space. batch_size. shuffle (false): a new order of
    files in every pass, and of rows in every file. One file at a time is held in memory.
    It does not transform: a transform_param is an error, as in Caffe.
    Raises FileError and DataError naming file and data set. Source: BVLC Caffe's HDF5Data layer.
    """

    bottoms = ()
    tops = ("*tops",)
    folder: str = ""
    batch_keys: list[str]

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the list and the first file."""
        p = self.message.hdf5_data_param
        if self.message.HasField("transform_param"):
            raise self.fail("HDF5Data does not transform data. Remove transform_param.", ModelError)
        if not p.source:
            raise self.fail("needs hdf5_data_param { source: ... }: a text file that lists HDF5 files.", ModelError)
        if not p.batch_size:
            raise self.fail("needs a batch_size of 1 or more.", ModelError)
        source = resolve(p.source, self.folder)
        log.info("hdf5_data_layer.cpp:80", f"Loading list of HDF5 filenames from: {source}")
        self._files = [resolve(name, self.folder) for name in read_text(source, "list of HDF5 files").split()]
        log.info("hdf5_data_layer.cpp:94", f"Number of HDF5 files: {len(self._files)}")
        if not self._files:
            raise DataError(f"Must have at least 1 HDF5 filename listed in {source}.")
        self._names = list(self.message.top)
        self._batch, self._shuffle = p.batch_size, p.shuffle
        self._index, self._file = 0, ""
        self._arrays: list[np.ndarray] = []
        self.batch_keys = []
        self._shard, self._passed = shard_of(self.phase), 0
        self.restore({"seed": self.seed, "pass": 0, "file": 0, "row": 0})
        for blob, array in zip(top, self._arrays, strict=True):
            blob.reshape(self._batch, *array.shape[1:])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy the next rows into the tops."""
        self.batch_keys = []
        done = 0
        while done < self._batch:
            while self._row == len(self._rows):
                self._next_file()
            count = min(self._batch - done, len(self._rows) - self._row)
            rows = self._rows[self._row : self._row + count]
            for blob, array in zip(top, self._arrays, strict=True):
                if not done:
                    blob.reshape(self._batch, *array.shape[1:])
                self._copy(blob.raw_data[done : done + count], array, rows)
            self.batch_keys += [f"{self._file} row {row}" for row in rows]
            self._row += count
            done += count

    def _copy(self, part: np.ndarray, array: np.ndarray, rows: np.ndarray) -> None:
        if part.shape[1:] != array.shape[1:]:
            raise DataError(
                f"{self._file}: its rows are {array.shape[1:]}, but the batch began with rows of {part.shape[1:]}."
                " All listed files need rows of one shape."
            )
        if self._shuffle:
            np.take(array, rows, axis=0, out=part)
        else:
            part[...] = array[rows[0] : rows[-1] + 1 : self._shard.size]

    def _next_file(self) -> None:
        self._passed += len(self._arrays[0])
        self._index += 1
        if self._index == len(self._files):
            self._index = 0
            self._pass += 1
        self._enter(0)

    def _enter(self, row: int) -> None:
        """Stand before `row` of the file that is now in turn."""
        order = np.arange(len(self._files))
        if self._shuffle:
            order = rng.generator(self._seed, f"{self.name}/files", self._pass).permutation(order)
        number = int(order[self._index])
        if self._files[number] != self._file:
            self._arrays = self._load(self._files[number])
            self._file = self._files[number]
        self._rows = np.arange(len(self._arrays[0]))
        if self._shuffle:
            generator = rng.generator(self._seed, f"{self.name}/rows/{number}", self._pass)
            self._rows = generator.permutation(self._rows)
        # Of the stream of rows, those whose number is our rank and a multiple of the number of shares.
        self._rows = self._rows[self._offset(self._shard) :: self._shard.size]
        self._row = row

    def _offset(self, shard: Shard) -> int:
        """The first row of the present file that belongs to a worker."""
        return (shard.rank - self._passed) % shard.size

    def _load(self, path: str) -> list[np.ndarray]:
        """The tops' data sets as float32. Raises FileError or DataError."""
        import h5py

        if not os.path.isfile(path):
            raise FileError(missing(path, "HDF5 file"))
        try:
            with h5py.File(path, "r") as file:
                arrays = [self._read(file, name) for name in self._names]
        except OSError as error:
            raise DataError(f"{path} cannot be read as HDF5 ({error}). Make or copy it again.") from error
        rows = {name: len(array) for name, array in zip(self._names, arrays, strict=True)}
        if len(set(rows.values())) > 1:
            raise DataError(f"{path}: the data sets have different numbers of rows: {rows}. They must be equal.")
        if not len(arrays[0]):
            raise DataError(f"{path}: the data sets have no rows. Take the file off the list, or make it again.")
        return arrays

    @staticmethod
    def _read(file: Any, name: str) -> np.ndarray:
        import h5py

        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise DataError(
                f"{file.filename} has no data set '{name}' (it has: {', '.join(file) or 'none'}). The tops of an"
                " HDF5Data layer are named like the data sets."
            )
        if found.dtype.kind not in "fiu":
            raise DataError(
                f"{file.filename}: data set '{name}' is of type {found.dtype}; floats or integers are needed."
            )
        if not found.ndim:
            raise DataError(f"{file.filename}: data set '{name}' is a single number. Input must have at least 1 axis.")
        return found[()].astype(np.float32, copy=False)

    def records(self) -> int:
        """How many rows all files have together."""
        return sum(len(self._load(path)[0]) for path in self._files)

    def state(self) -> dict[str, Any]:
        """Where the layer stands: plain numbers."""
        return {
            "seed": self._seed, "pass": self._pass, "file": self._index, "row": self._row, "passed": self._passed,
            "shard": list(self._shard),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._seed, self._pass, self._index = state["seed"], state["pass"], state["file"]
        self._passed = state.get("passed", 0)
        written = Shard(*state.get("shard", self._shard))
        self._enter(0)
        # How far all workers together were, from the beginning of this file, and our first row from there on.
        taken = self._offset(written) + state["row"] * written.size - written.rank
        while taken >= len(self._arrays[0]):
            taken -= len(self._arrays[0])
            self._next_file()
        self._row = max(0, self._shard.begin(taken - self._offset(self._shard)))

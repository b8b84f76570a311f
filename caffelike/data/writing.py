"""Writing data bases of records, LMDB or LevelDB: complete under their name, or not there at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from caffelike.data import datum
from caffelike.errors import DataError, FileError
from caffelike.files import atomic_folder

_FIRST_MAP = 1 << 26  # bytes of an LMDB; doubled whenever it is full
_RECORDS_PER_COMMIT = 1000


class Writer:
    """A data base that is being written; `count`: records put so far."""

    def __init__(self, folder: Path):
        self.count = 0
        self._pending: list[tuple[bytes, bytes]] = []
        self._db: Any = self._open(str(folder))

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record. Raises FileError when it cannot be written."""
        self._pending.append((key, value))
        self.count += 1
        if len(self._pending) == _RECORDS_PER_COMMIT:
            self._commit()

    def close(self, complete: bool) -> None:
        """Write what is pending, if the data base is to be kept, and close it."""
        try:
            if complete:
                self._commit()
        finally:
            self._db.close()

    def _open(self, folder: str) -> Any:
        raise NotImplementedError

    def _commit(self) -> None:
        """Write the pending records to disk."""
        raise NotImplementedError


class _LmdbWriter(Writer):
    def _open(self, folder: str) -> Any:
        import lmdb

        return lmdb.open(folder, map_size=_FIRST_MAP, lock=False, sync=False, mode=0o644)

    def _commit(self) -> None:
        """Write the pending records, enlarging the map until they fit."""
        import lmdb

        try:
            while self._pending:
                try:
                    with self._db.begin(write=True) as transaction:
                        for key, value in self._pending:
                            transaction.put(key, value)
                    self._pending.clear()
                except lmdb.MapFullError:
                    self._db.set_mapsize(self._db.info()["map_size"] * 2)
        except (OSError, lmdb.Error) as error:
            raise FileError(f"Cannot write the LMDB: {error}. Is the disk full?") from error

    def close(self, complete: bool) -> None:
        try:
            if complete:
                self._commit()
                self._db.sync(True)
        finally:
            self._db.close()


class _LevelDbWriter(Writer):
    def _open(self, folder: str) -> Any:
        try:
            import plyvel
        except ImportError as error:
            raise DataError(
                "Writing a LevelDB needs the package plyvel: pip install 'caffelike[leveldb]'. LMDB needs nothing more:"
                " choose the backend lmdb."
            ) from error
        return plyvel.DB(folder, create_if_missing=True)

    def _commit(self) -> None:
        import plyvel

        try:
            with self._db.write_batch(sync=True) as batch:
                for key, value in self._pending:
                    batch.put(key, value)
        except (OSError, plyvel.Error) as error:
            raise FileError(f"Cannot write the LevelDB: {error}. Is the disk full?") from error
        self._pending.clear()


_WRITERS: dict[str, type[Writer]] = {"lmdb": _LmdbWriter, "leveldb": _LevelDbWriter}
BACKENDS = tuple(_WRITERS)


@contextmanager
def create(path: str | os.PathLike, backend: str = "lmdb") -> Iterator[Writer]:
    """A new data base to put records into.

    path: a folder; it appears when the block is left, and not at all if it is left by an error. backend: lmdb or
    leveldb. Raises FileError when it exists or cannot be written, DataError for an unknown or missing backend.
    """
    if backend not in _WRITERS:
        raise DataError(f"Unknown db backend '{backend}'; choose {' or '.join(_WRITERS)}.")
    with atomic_folder(path) as folder:
        writer = _WRITERS[backend](folder)
        complete = False
        try:
            yield writer
            complete = True
        finally:
            writer.close(complete)


def write_lmdb(path: str | os.PathLike, records: Iterable[tuple[np.ndarray | bytes, int]]) -> int:
    """Write a data set that a Data layer reads, as Caffe's converters do; returns the number of records.

    records: (pixels, label). pixels: an array of (channels, height, width), uint8 or any float type (stored as
    float32), or the bytes of an image file, stored as they are. Keys are 00000000, 00000001, ...
    The folder `path` appears when all is written, and not at all on an error.
    Raises FileError when it exists or cannot be written, DataError for an array that is no record.
    """
    with create(path) as database:
        for pixels, label in records:
            database.put(b"%08d" % database.count, datum.to_bytes(pixels, label))
    return database.count

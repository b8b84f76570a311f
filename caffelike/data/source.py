"""What a data base of records is to the layers: keys and values in order, opened once per process."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from caffelike import log, registry
from caffelike.data.paths import missing
from caffelike.errors import DataError, FileError

_handles: dict[tuple[int, int, int], tuple[Any, int]] = {}
_lock = threading.RLock()  # garbage collection may close a source on the thread that is opening one


class Source:
    """An open data base; a class registered with @register_source("NAME") is usable as `backend: NAME`.

    path: as the definition names it. handle: what `open` returned; all sources of one path share it, because neither
    LMDB nor LevelDB may be opened twice in one process (the train and the test net often read the same one).
    opened: Caffe's log line, (source, text before the path). held: the file in the folder that an open handle keeps.
    """

    opened: ClassVar[tuple[str, str]]
    held: ClassVar[str]

    def __init__(self, path: str):
        if not os.path.exists(path):
            raise FileError(missing(path, "data base"))
        self.path = path
        file = os.path.join(path, self.held)
        status = os.stat(file if os.path.exists(file) else path)
        # Not the path: a data base that was removed and made anew while an old net reads it is another one.
        self._key = (os.getpid(), status.st_dev, status.st_ino)
        with _lock:
            handle, count = _handles.get(self._key) or (self.open(), 0)
            _handles[self._key] = (handle, count + 1)
        self.handle = handle
        log.info(self.opened[0], f"{self.opened[1]} {path}")

    def open(self) -> Any:
        """Open the data base; called for its first user in the process only."""
        raise NotImplementedError

    def shut(self, handle: Any) -> None:
        """Close what `open` returned; called when its last user is done."""
        handle.close()

    def records(self, after: bytes | None = None) -> Iterator[tuple[Any, Any]]:
        """(key, value) buffers in key order, once: from the first, or from the first key greater than `after`.

        Buffers stay valid while the source is open. Raises DataError when the data base is damaged.
        """
        raise NotImplementedError

    def keys(self) -> list[bytes]:
        """All keys, in order. Raises DataError when the data base is damaged."""
        raise NotImplementedError

    def get(self, key: bytes) -> Any:
        """The value of a key that is there, as `records` gives it. One thread at a time calls it."""
        raise NotImplementedError

    def first(self) -> tuple[bytes, bytes]:
        """The first record. Raises DataError when there is none."""
        for key, value in self.records():
            return bytes(key), bytes(value)
        raise DataError(f"{self.path} holds no records. Was it written to the end? Make the data set again.")

    def close(self) -> None:
        """Give the handle back. The source is not used afterwards; calling it again does nothing."""
        with _lock:
            if self._key not in _handles or self.handle is None:
                return
            handle, count = _handles[self._key]
            if count > 1:
                _handles[self._key] = (handle, count - 1)
            else:
                del _handles[self._key]
                self.shut(handle)
            self.handle = None


def kind_of(path: str) -> str:
    """What the files in the folder say: "LMDB", "LEVELDB" or "" (unknown)."""
    if os.path.isfile(os.path.join(path, "data.mdb")):
        return "LMDB"
    if os.path.isfile(os.path.join(path, "CURRENT")):
        return "LEVELDB"
    return ""


def open_source(path: str, backend: str, given: bool, note: Callable[[str], None]) -> Source:
    """Open the data base at `path`.

    backend: as the definition says ("LEVELDB" when it says nothing); given: whether it says so. A folder that is of
    the other kind is opened as what it is when the definition says nothing (`note` gets the sentence), and an error
    otherwise. Raises FileError, DataError, and ModelError for an unknown backend.
    """
    cls = registry.sources[backend]
    found = kind_of(path)
    if found and found != backend:
        if given:
            raise DataError(f"{path} is a data base of kind {found}, not {backend}. Write backend: {found}.")
        note(f"{path} is read as {found}. No backend is given, which means {backend}: write backend: {found}.")
        cls = registry.sources[found]
    return cls(path)

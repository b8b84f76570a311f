"""LMDB data bases: reading records in order."""

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Any

from caffelike.data.source import Source
from caffelike.errors import DataError, FileError
from caffelike.registry import register_source


@register_source("LMDB")
class LMDB(Source):
    """Records of an LMDB environment (a folder, or a single file), read only.

    It is opened without locks: nobody may write into it meanwhile.
    """

    opened = ("db_lmdb.cpp:35", "Opened lmdb")
    held = "data.mdb"
    _reading: Any = None  # the transaction of `get`

    def open(self) -> Any:
        """Open the environment. Raises FileError when it cannot be read, DataError when it is damaged."""
        import lmdb

        folder = os.path.isdir(self.path)
        file = os.path.join(self.path, "data.mdb") if folder else self.path
        if not os.path.isfile(file):
            raise FileError(f"{self.path} is no LMDB: it has no file data.mdb. Is source: the right folder?")
        try:
            env = lmdb.open(self.path, subdir=folder, readonly=True, lock=False, create=False)
        except lmdb.Error as error:
            raise _damaged(self.path, error) from error
        try:
            _check_length(self.path, file, env)
        except BaseException:
            env.close()
            raise
        return env

    def records(self, after: bytes | None = None) -> Iterator[tuple[Any, Any]]:
        """(key, value) memory views in key order."""
        import lmdb

        try:
            with self.handle.begin(buffers=True) as transaction, transaction.cursor() as cursor:
                found = cursor.first() if after is None else cursor.set_range(after)
                if found and after is not None and bytes(cursor.key()) == after:
                    found = cursor.next()
                if found:
                    yield from cursor.iternext()
        except lmdb.Error as error:
            raise _damaged(self.path, error) from error

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        import lmdb

        try:
            with self.handle.begin() as transaction, transaction.cursor() as cursor:
                return list(cursor.iternext(keys=True, values=False))
        except lmdb.Error as error:
            raise _damaged(self.path, error) from error

    def get(self, key: bytes) -> Any:
        """A memory view of the value; it stays valid while the source is open, for nobody writes."""
        import lmdb

        try:
            if self._reading is None:
                self._reading = self.handle.begin(buffers=True)
            value = self._reading.get(key)
        except lmdb.Error as error:
            raise _damaged(self.path, error) from error
        if value is None:
            raise _damaged(self.path, KeyError(f"the record '{key.decode('utf-8', 'replace')}' is gone"))
        return value

    def close(self) -> None:
        """End the reading, and give the handle back."""
        if self._reading is not None:
            self._reading.abort()
            self._reading = None
        super().close()


def _damaged(path: str, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read as an LMDB ({error}). If it is damaged, make or copy it again; if this process has it"
        " open elsewhere (a script that wrote it), close it there first."
    )


def _check_length(path: str, file: str, env: Any) -> None:
    """Refuse a file that was cut off: reading a page behind its end would kill the process."""
    size = os.path.getsize(file)
    page = env.stat()["psize"]
    wanted = (env.info()["last_pgno"] + 1) * page
    if size < wanted and _reaches_beyond(file, size, page):
        raise DataError(
            f"{path} is truncated: {file} has {size} bytes, of {wanted}. It was not copied or written to its end;"
            " make or copy it again."
        )


def _reaches_beyond(file: str, size: int, page: int) -> bool:
    """Whether the tree of records uses a page that is not in the file.

    Pages at the end may rightly be missing when they are free, so the tree is walked. Layout of LMDB's data
    version 1: a page has a header of 16 bytes (flags at 10, end of the list of nodes at 12, number of overflow pages
    at 12) and 2-byte offsets of nodes; a node is (low, high, flags, key size: 2 bytes each), key, data.
    """
    pages = size // page
    branch, bigdata = 1, 1
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        metas = [struct.unpack_from("<QQ", memory, i * page + 16 + 24 + 48 + 40 + 8) for i in range(min(2, pages))]
        newest = max(range(len(metas)), key=lambda i: metas[i][1], default=0)
        (root,) = struct.unpack_from("<Q", memory, newest * page + 16 + 24 + 48 + 40)
        todo = [] if root == 2**64 - 1 else [root]
        while todo:
            number = todo.pop()
            if number >= pages:
                return True
            start = number * page
            flags, lower = struct.unpack_from("<HH", memory, start + 10)
            for (offset,) in struct.iter_unpack("<H", memory[start + 16 : start + lower]):
                low, high, kind, key = struct.unpack_from("<4H", memory, start + offset)
                if flags & branch:
                    todo.append(low | high << 16 | kind << 32)
                elif kind & bigdata:
                    (first,) = struct.unpack_from("<Q", memory, start + offset + 8 + key)
                    length = 16 + (low | high << 16)
                    if first + -(-length // page) > pages:
                        return True
    return False

"""LevelDB data bases, through the optional package plyvel."""

from collections.abc import Iterator
from typing import Any

from caffelike.data.source import Source
from caffelike.errors import DataError
from caffelike.registry import register_source


@register_source("LEVELDB")
class LevelDB(Source):
    """Records of a LevelDB folder. LevelDB locks it: no other process can read it at the same time."""

    opened = ("db_leveldb.cpp:18", "Opened leveldb")
    held = "LOCK"

    def open(self) -> Any:
        """Open the data base. Raises DataError when plyvel is missing or the folder is no LevelDB."""
        try:
            import plyvel
        except ImportError as error:
            raise DataError(
                f"Reading the LevelDB {self.path} needs the package plyvel: pip install 'caffelike[leveldb]'."
                " (If it is an LMDB, write backend: LMDB.)"
            ) from error
        try:
            handle = plyvel.DB(self.path, create_if_missing=False)
        except (plyvel.Error, OSError) as error:
            raise DataError(
                f"{self.path} cannot be read as a LevelDB ({error}). If another process has it open, stop that; if it"
                " is an LMDB, write backend: LMDB; if it is damaged, make or copy it again."
            ) from error
        return handle

    def records(self, after: bytes | None = None) -> Iterator[tuple[Any, Any]]:
        """(key, value) bytes in key order."""
        import plyvel

        try:
            with self.handle.iterator(start=after, include_start=False, fill_cache=False) as found:
                yield from found
        except (plyvel.Error, RuntimeError) as error:
            raise DataError(f"{self.path} is damaged ({error}). Make or copy it again.") from error

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        import plyvel

        try:
            with self.handle.iterator(include_value=False, fill_cache=False) as found:
                return list(found)
        except (plyvel.Error, RuntimeError) as error:
            raise DataError(f"{self.path} is damaged ({error}). Make or copy it again.") from error

    def get(self, key: bytes) -> Any:
        """The value, as bytes."""
        import plyvel

        try:
            value = self.handle.get(key, fill_cache=False)
        except (plyvel.Error, RuntimeError) as error:
            raise DataError(f"{self.path} is damaged ({error}). Make or copy it again.") from error
        if value is None:
            raise DataError(f"{self.path} is damaged (a record is gone). Make or copy it again.")
        return value

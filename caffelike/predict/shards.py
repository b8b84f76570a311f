"""What is to be predicted: pictures in a folder, a list or a data base, cut into shards."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffelike.data import datum, images
from caffelike.data.imagelist import read_list
from caffelike.data.lmdb import LMDB
from caffelike.data.paths import missing
from caffelike.errors import DataError, FileError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


@dataclass(frozen=True)
class Shard:
    """Neighbours of the input: number from 0; names as they stand in the result; database: where they are records."""

    number: int
    names: tuple[str, ...]
    database: str = ""

    def pictures(self) -> Iterator[Any]:
        """What `caffelike.inference` takes, for each name: a path, RGB pixels, or the DataError that reading gave."""
        if not self.database:
            yield from self.names
            return
        source = LMDB(self.database)
        try:
            for name in self.names:
                try:
                    yield _pixels(bytes(source.get(name.encode("latin-1"))))
                except DataError as error:
                    yield DataError(f"{self.database}: record '{name}': {error}")
        finally:
            source.close()


def find(inputs: Sequence[str], size: int) -> list[Shard]:
    """Shards of `size` pictures of all inputs in order: image files, folders (searched), lists (.txt), LMDBs.

    Raises FileError for an input that is not there, DataError where there is not a single picture.
    """
    shards: list[Shard] = []
    for path in inputs:
        database = path if os.path.isfile(os.path.join(path, "data.mdb")) else ""
        names = _keys(path) if database else _files(path)
        for start in range(0, len(names), size):
            shards.append(Shard(len(shards), tuple(names[start : start + size]), database))
    if not shards:
        raise DataError(f"There is no picture in {', '.join(inputs)}; endings are {', '.join(sorted(SUFFIXES))}.")
    return shards


def _files(path: str) -> list[str]:
    if os.path.isdir(path):
        return sorted(str(file) for file in Path(path).rglob("*") if file.suffix.lower() in SUFFIXES)
    if not os.path.isfile(path):
        raise FileError(missing(path, "picture, folder, list or LMDB"))
    if Path(path).suffix.lower() != ".txt":
        return [path]
    folder = os.path.dirname(path)
    lines = [line.path for line in read_list(path, kind="none")]
    return [name if os.path.exists(name) else os.path.join(folder, name) for name in lines]


def _keys(path: str) -> list[str]:
    source = LMDB(path)
    try:
        return [bytes(key).decode("latin-1") for key in source.keys()]  # noqa: SIM118 - a data base is no dictionary
    finally:
        source.close()


def _pixels(value: bytes) -> Any:
    """RGB pixels (height, width, 1 or 3) of a Datum."""
    record = datum.parse(value)
    if record.encoded:
        return images.decode(record.data or b"")[:, :, ::-1]
    pixels = record.pixels().transpose(1, 2, 0)
    return pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels

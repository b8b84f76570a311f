"""Part files of answered shards, and the result made of them."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelike.data import datum, writing
from caffelike.errors import CaffelikeError
from caffelike.files import atomic_path
from caffelike.predict.shards import Shard
from caffelike.predict.work import Job, Rows

KINDS = (".parquet", ".csv", ".jsonl", ".npy", ".lmdb")
"""Endings of a result. The last two hold the outputs' numbers, the others a row a picture."""

PIP = 'pip install "caffelike[parquet]"'


class Parts:
    """The parts of a result that are done, in the folder `<result>.parts`.

    Raises CaffelikeError when the folder has parts of another run (other pictures, model or options).
    """

    def __init__(self, target: str, job: Job, shards: Sequence[Shard]):
        self.folder = Path(f"{target}.parts")
        what = repr((job.model, job.weights, job.recipe.to_json(), job.top, job.outputs, [s.names for s in shards]))
        name = hashlib.sha1(what.encode()).hexdigest()
        stamp = self.folder / "run"
        if self.folder.exists() and (not stamp.exists() or stamp.read_text() != name):
            raise CaffelikeError(
                f"{self.folder} has parts of another run (other pictures, model or options). Remove the folder to start"
                " anew, or choose another --out."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(stamp) as temporary:
            temporary.write_text(name)

    def missing(self, shards: Sequence[Shard]) -> list[Shard]:
        """The shards that are still to be done."""
        return [shard for shard in shards if not self._path(shard.number).exists()]

    def keep(self, rows: Rows) -> None:
        """Write a part, whole or not at all."""
        if rows.outputs is not None:
            with atomic_path(self._path(rows.number, ".npy")) as path, open(path, "wb") as file:
                np.save(file, rows.outputs)
        with atomic_path(self._path(rows.number)) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.table), encoding="utf-8")

    def rows(self, count: int) -> Iterator[dict[str, Any]]:
        """All rows of `count` parts in order."""
        for number in range(count):
            with open(self._path(number), encoding="utf-8") as file:
                yield from map(json.loads, file)

    def outputs(self, count: int) -> Iterator[np.ndarray]:
        """The outputs of `count` parts in order; those of a part without any good picture have no numbers."""
        for number in range(count):
            yield np.load(self._path(number, ".npy"), allow_pickle=False)

    def remove(self) -> None:
        """Remove the folder: the result is complete."""
        shutil.rmtree(self.folder)

    def _path(self, number: int, suffix: str = ".jsonl") -> Path:
        return self.folder / f"{number:08}{suffix}"


def kind_of(target: str) -> str:
    """The ending of a result. Raises CaffelikeError for another, or where a package for it is missing."""
    kind = Path(target).suffix.lower()
    if kind not in KINDS:
        raise CaffelikeError(f"--out {target}: the ending says the format, one of {', '.join(KINDS)}.")
    if kind == ".parquet":
        _pyarrow()
    return kind


def write(target: str, parts: Parts, count: int) -> int:
    """Make the result of `count` parts; the number of pictures. It appears whole or not at all."""
    kind = kind_of(target)
    rows = list(parts.rows(count)) if kind in (".parquet", ".csv", ".jsonl") else []
    if kind == ".lmdb":
        done = 0
        with writing.create(target) as database:
            for output in _padded(parts, count):
                for values in output:
                    database.put(f"{done:010}".encode(), datum.to_bytes(np.float32(values).reshape(-1, 1, 1)))
                    done += 1
        return done
    with atomic_path(target) as path:
        if kind == ".npy":
            whole = np.concatenate(list(_padded(parts, count)))
            with open(path, "wb") as file:
                np.save(file, whole)
            return len(whole)
        if kind == ".parquet":
            pa, parquet = _pyarrow()
            parquet.write_table(pa.Table.from_pylist(rows), os.fspath(path))
        elif kind == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        else:
            with open(path, "w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, list(rows[0]))
                table.writeheader()
                table.writerows(rows)
    return len(rows)


def _padded(parts: Parts, count: int) -> Iterator[np.ndarray]:
    """The outputs; those of parts that know no shape have the others'."""
    shape = next((part.shape[1:] for part in parts.outputs(count) if part.shape[1:] != (0,)), (0,))
    for part in parts.outputs(count):
        yield part if part.shape[1:] == shape else np.full((len(part), *shape), np.nan, np.float32)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CaffelikeError(f"A .parquet file needs pyarrow ({error}): {PIP}; .csv and .jsonl need nothing.") from None
    return pyarrow, pyarrow.parquet

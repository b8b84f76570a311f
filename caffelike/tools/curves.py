"""A training run as a table that grows while it runs: `caffelike train --csv FILE`."""

import csv
import os
import time
from contextlib import suppress
from typing import Any

import numpy as np

from caffelike import log
from caffelike.errors import FileError
from caffelike.solvers.listener import Listener

_HEAD = ["iteration", "seconds", "learning_rate", "loss"]


class CsvCurves(Listener):
    """Writes a row for each iteration at which something was displayed or tested.

    Columns: iteration, seconds (since training began), learning_rate, loss (smoothed), `train <output>`,
    `test <output>`, `test1 <output>` for test net 1; outputs of several numbers have one column each, `name[0]`.
    Empty where nothing was measured. A run that goes on from a snapshot goes on with its table: rows from its
    iteration on are replaced. Append it to `solver.listeners` after `solver.restore`, and close it at the end.
    Raises FileError when the file cannot be written.
    """

    looks_at_gradients = False

    def __init__(self, solver: Any, path: str | os.PathLike):
        self._path = os.fspath(path)
        nets = [("train", solver.net)] + [(f"test{i or ''}", net) for i, net in enumerate(solver.test_nets)]
        self._columns = _HEAD + [f"{what} {name}" for what, net in nets for name in _names(net)]
        kept = self._rows_before(solver.iter) if solver.iter else []
        try:
            self._file: Any = open(self._path, "w", encoding="utf-8", newline="")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise FileError(f"Cannot write {self._path}: {error.strerror}.") from error
        self._writer = csv.DictWriter(self._file, self._columns, extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()
        self._writer.writerows(kept)
        self._file.flush()
        self._began = time.perf_counter() - (float(kept[-1]["seconds"]) if kept else 0.0)
        self._row: dict[str, Any] = {}

    def _rows_before(self, iteration: int) -> list[dict[str, str]]:
        """The rows of an earlier part of this run."""
        try:
            with open(self._path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames == self._columns:
                    return [row for row in reader if int(row["iteration"]) < iteration]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, csv.Error) as error:
            raise FileError(f"{self._path} cannot be continued ({error}). Choose another file for --csv.") from error
        raise FileError(f"{self._path} is no table of this run: it has other columns. Choose another file for --csv.")

    def on_display(self, solver: Any, outputs: dict[str, np.ndarray]) -> None:
        """Take the loss, the rate and the training net's outputs."""
        self._take(solver.iter, {"learning_rate": solver.lr, "loss": solver.smoothed_loss} | _numbers("train", outputs))

    def on_test(self, solver: Any, index: int, scores: dict[str, np.ndarray]) -> None:
        """Take a test net's scores."""
        self._take(solver.iter, _numbers(f"test{index or ''}", scores))

    def _take(self, iteration: int, values: dict[str, float]) -> None:
        if self._row.get("iteration") != iteration:
            self._write()
            self._row = {"iteration": iteration}
        self._row["seconds"] = f"{time.perf_counter() - self._began:.3f}"
        self._row |= {name: f"{value:.9g}" for name, value in values.items()}

    def _write(self) -> None:
        if not self._row or self._file is None:
            return
        try:
            self._writer.writerow(self._row)
            self._file.flush()
        except OSError as error:
            log.error("curves.py:76", f"{self._path} ends here, training goes on: {error.strerror}")
            with suppress(OSError):
                self._file.close()
            self._file = None

    def close(self) -> None:
        """Write the last row."""
        self._write()
        self._row = {}
        if self._file is not None:
            self._file.close()
            self._file = None


def _names(net: Any) -> list[str]:
    return [name for blob in net.outputs for name in _several(blob, net.blobs[blob].count)]


def _several(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}[{i}]" for i in range(count)]


def _numbers(what: str, outputs: dict[str, np.ndarray]) -> dict[str, float]:
    return {
        f"{what} {name}": float(value)
        for blob, array in outputs.items()
        for name, value in zip(_several(blob, array.size), array.ravel(), strict=True)
    }

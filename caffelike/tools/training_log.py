"""Reading training logs, Caffe's and ours: what was tested and trained when, as tables."""

import csv
import math
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from caffelike.errors import DataError, FileError
from caffelike.files import atomic_path, make_folder

Row = dict[str, float]

_NUMBER = r"([-+]?(?:nan|inf|[\d.]+(?:e[-+]?\d+)?))"
_TIME = re.compile(r"^[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d+)")
_ITERATION = re.compile(r"Iteration (\d+)")
_TESTING = re.compile(r"Testing net \(#(\d+)\)")
_OUTPUT = re.compile(rf"(Train|Test) net output #(\d+): (\S+) = {_NUMBER}( \(\* )?", re.IGNORECASE)
_RATE = re.compile(rf"lr = {_NUMBER}", re.IGNORECASE)
_LOSS = re.compile(rf", loss = {_NUMBER}", re.IGNORECASE)
_YEAR = 2000  # of logs whose lines have none; a leap year


@dataclass
class TrainingLog:
    """What a log tells.

    train: a row for each time the training net's outputs are shown. tests: such rows by number of the test net. A row
    is {"NumIters", "Seconds" since training began, "LearningRate", then the outputs by name}.
    losses: (iteration, seconds, displayed loss). rates: (iteration, seconds, learning rate).
    loss_names: the outputs that are losses.
    """

    name: str
    train: list[Row] = field(default_factory=list)
    tests: dict[int, list[Row]] = field(default_factory=dict)
    losses: list[tuple[float, float, float]] = field(default_factory=list)
    rates: list[tuple[float, float, float]] = field(default_factory=list)
    loss_names: set[str] = field(default_factory=set)

    @property
    def tables(self) -> dict[str, list[Row]]:
        """All rows by the ending of the file that parse_log.py puts them in: train, test; test1 is test net 1's."""
        return {"train": self.train} | {f"test{net or ''}": self.tests[net] for net in sorted(self.tests)}


def parse_log(path: str | os.PathLike) -> TrainingLog:
    """The tables in the log of a training run. Raises FileError, and DataError when no training is in it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_lines(file, os.fspath(path))
    except OSError as error:
        raise FileError(f"Could not open log {os.fspath(path)}: {error.strerror}.") from error


def parse_lines(lines: Iterable[str], name: str = "log") -> TrainingLog:
    """`parse_log` on lines."""
    reader = _Reader(TrainingLog(name))
    for line in lines:
        reader.read(line)
    found = reader.log
    if reader.start is None and reader.iteration is None:
        raise DataError(
            f"{name} is no log of a training run: it has no line with 'Solving' and none with 'Iteration'. Keep what"
            " `caffelike train` writes to stderr: caffelike train solver.prototxt 2>&1 | tee train.log"
        )
    for rows in (found.train, *found.tests.values()):
        _fill_first_rate(rows)
    return found


class _Reader:
    """Takes a log line by line."""

    def __init__(self, log: TrainingLog):
        self.log = log
        self.start: datetime | None = None
        self.iteration: float | None = None
        self._now: datetime | None = None
        self._years = 0
        self._rate = math.nan
        self._net = 0
        self._last: dict[str, int] = {"train": -1, "test": -1}  # number of the last output

    def read(self, line: str) -> None:
        """Take one line."""
        self._clock(line)
        if self.start is None and "Solving" in line:
            self.start = self._now
        if found := _ITERATION.search(line):
            self.iteration = float(found[1])
        if self.iteration is None:
            return
        if found := _TESTING.search(line):
            self._net = int(found[1])
            self._last["test"] = sys.maxsize  # the next output begins a row
        at = (self.iteration, self._seconds())
        if found := _LOSS.search(line):
            self.log.losses.append((*at, float(found[1])))
            self._last["train"] = sys.maxsize
        if found := _RATE.search(line):
            self._rate = float(found[1])
            self.log.rates.append((*at, self._rate))
        if found := _OUTPUT.search(line):
            self._output(at, found)

    def _output(self, at: tuple[float, float], found: re.Match) -> None:
        kind, number, name = found[1].lower(), int(found[2]), found[3]
        rows = self.log.train if kind == "train" else self.log.tests.setdefault(self._net, [])
        if number <= self._last[kind] or not rows or rows[-1]["NumIters"] != at[0]:
            rows.append({"NumIters": at[0], "Seconds": at[1], "LearningRate": self._rate})
        self._last[kind] = number
        row = rows[-1]
        row[name if name not in row else f"{name}#{number}"] = float(found[4])
        if found[5]:
            self.log.loss_names.add(name)

    def _clock(self, line: str) -> None:
        """Take the time of a line; without a year, a step back in time is a new year."""
        if not (found := _TIME.match(line)):
            return
        year, month, day, hour, minute, second = (int(part or _YEAR) for part in found.groups()[:6])
        fraction = timedelta(seconds=float(f"0.{found[7]}"))
        try:
            now = datetime(year + self._years, month, day, hour, minute, second) + fraction
            if found[1] is None and self._now is not None and now < self._now - timedelta(days=1):
                self._years += 1
                now = now.replace(year=now.year + 1)
        except ValueError:
            return  # looks like a time, but is none
        self._now = now

    def _seconds(self) -> float:
        """Seconds since the line with "Solving"; NaN where lines have no time."""
        if self.start is None or self._now is None:
            return math.nan
        return (self._now - self.start).total_seconds()


def _fill_first_rate(rows: list[Row]) -> None:
    """The first row comes before the first learning rate is logged; it had that of the next."""
    if len(rows) > 1 and math.isnan(rows[0]["LearningRate"]):
        rows[0]["LearningRate"] = rows[1]["LearningRate"]


def write_csv(log: TrainingLog, folder: str | os.PathLike, delimiter: str = ",") -> list[Path]:
    """Write each table that has rows as `<folder>/<log's name>.train`, `.test`, ...; returns the paths.

    folder: made if it is missing.
    Columns are NumIters, Seconds, LearningRate, then the outputs; "nan" where a number is no number. Raises FileError.
    """
    written = []
    for ending, rows in log.tables.items():
        if not rows:
            continue
        columns = list(dict.fromkeys(column for row in rows for column in row))
        path = make_folder(folder) / f"{os.path.basename(log.name)}.{ending}"
        with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter=delimiter, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        written.append(path)
    return written

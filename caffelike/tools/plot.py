"""The charts of Caffe's plot_training_log.py, of one or several training logs, in one picture."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from caffelike.errors import CaffelikeError
from caffelike.files import atomic_path
from caffelike.tools.training_log import TrainingLog

FORMATS = ("png", "svg", "pdf")


class Chart(NamedTuple):
    """What is drawn against what; `x` is a column of a row, `y` what `_curves` knows."""

    y: str
    x: str

    @property
    def title(self) -> str:
        """As Caffe's script lists it."""
        return f"{self.y} vs. {'Iters' if self.x == 'NumIters' else 'Seconds'}"


CHARTS = tuple(
    Chart(y, x)
    for y in ("Test accuracy", "Test loss", "Train learning rate", "Train loss")
    for x in ("NumIters", "Seconds")
)
"""Caffe's chart types 0 to 7."""


def plot(logs: Sequence[TrainingLog], output: str | os.PathLike, charts: Sequence[int] = range(len(CHARTS))) -> Path:
    """Draw charts (numbers of `CHARTS`) of all logs into a PNG, SVG or PDF, by the name of `output`; returns its path.

    Test outputs that are losses are in the charts of the test loss, all others in those of the accuracy.
    Raises CaffelikeError without matplotlib or for a number or name that is unknown, FileError.
    """
    kind = os.path.splitext(output)[1].lower().lstrip(".")
    if kind not in FORMATS:
        raise CaffelikeError(f"{output} should end with .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}.")
    if unknown := [number for number in charts if number not in range(len(CHARTS))]:
        listed = "; ".join(f"{i}: {chart.title}" for i, chart in enumerate(CHARTS))
        raise CaffelikeError(f"{unknown[0]} is not a valid chart type. Charts are {listed}.")
    figure_class = figure()
    columns = 1 if len(charts) == 1 else 2
    rows = -(-len(charts) // columns)
    picture = figure_class(figsize=(6 * columns, 3.2 * rows), layout="constrained")
    for place, number in enumerate(charts, 1):
        _draw(picture.add_subplot(rows, columns, place), CHARTS[number], logs)
    with atomic_path(output) as temporary:
        picture.savefig(temporary, format=kind, dpi=100)
    return Path(output)


def figure() -> Any:
    """Matplotlib's Figure. Raises CaffelikeError, with the cure, when it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CaffelikeError("Drawing needs matplotlib: pip install 'caffelike[plot]'") from error
    return Figure


def _draw(axes: Any, chart: Chart, logs: Sequence[TrainingLog]) -> None:
    axes.set_title(chart.title, fontsize=10)
    axes.set_xlabel("Iters" if chart.x == "NumIters" else "Seconds")
    axes.set_ylabel(chart.y)
    axes.grid(alpha=0.3)
    drawn = 0
    for log in logs:
        for name, points in _curves(log, chart):
            known = [(x, y) for x, y in points if math.isfinite(x)]
            if not known:
                continue
            drawn += 1
            label = ": ".join(part for part in (os.path.basename(log.name) if len(logs) > 1 else "", name) if part)
            marker = "o" if len(known) < 50 else None
            axes.plot(*zip(*known, strict=True), marker=marker, markersize=3, linewidth=0.9, label=label or chart.y)
    if drawn:
        axes.legend(loc="lower right" if chart.y == "Test accuracy" else "upper right", fontsize=8)
    else:
        axes.text(0.5, 0.5, "not in the log", transform=axes.transAxes, ha="center", color="gray")


def _curves(log: TrainingLog, chart: Chart) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """(name, points) of the curves that a log adds to a chart; NaN leaves a gap."""
    if chart.y in ("Train loss", "Train learning rate"):
        found = log.losses if chart.y == "Train loss" else log.rates
        yield "", [(iteration if chart.x == "NumIters" else seconds, value) for iteration, seconds, value in found]
        return
    for net, rows in sorted(log.tests.items()):
        names = dict.fromkeys(name for row in rows for name in list(row)[3:])
        for name in names:
            if (name in log.loss_names) == (chart.y == "Test loss"):
                points = [(row[chart.x], row[name]) for row in rows if name in row]
                yield f"{name} (#{net})" if len(log.tests) > 1 else name, points

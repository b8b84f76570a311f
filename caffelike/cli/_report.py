"""A confusion matrix on the terminal."""

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from caffelike.cli import _table
from caffelike.tools.confusion import Confusion

_MATRIX = 20  # classes up to which the matrix is printed
_CLASSES = 50  # classes up to which each is listed; of more, those with the lowest accuracy


def show(confusion: Confusion) -> None:
    """Print accuracy by class, the matrix if it is small, and the most frequent mistakes."""
    total = f"layer {confusion.layer}: accuracy {confusion.accuracy:.4f} of {confusion.total}"
    classes = _listed(confusion)
    lowest = f"; the {len(classes)} lowest of {len(confusion.counts)} classes"
    _print(total + (lowest if len(confusion.counts) > _CLASSES else ""), _classes(confusion, classes))
    if len(confusion.counts) <= _MATRIX:
        _print("labels down, predictions across", _matrix(confusion))
    if confusion.mistakes(1):
        _print("most frequent mistakes", _mistakes(confusion))


def _print(title: str, table: Table) -> None:
    lines = (line for line in _table.text(table).splitlines() if line)
    click.echo("\n".join([title, *lines, ""]))


def _columns(*columns: str) -> Table:
    """A table whose first column is of words and whose others are of numbers."""
    table = Table(box=SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _listed(confusion: Confusion) -> list[int]:
    """The classes to list: all of a few, else those with the lowest accuracy."""
    every = list(range(len(confusion.counts)))
    if len(every) <= _CLASSES:
        return every
    per_class, records = confusion.per_class, confusion.counts.sum(1)
    return sorted((i for i in every if records[i]), key=lambda i: per_class[i])[:_CLASSES]


def _classes(confusion: Confusion, classes: list[int]) -> Table:
    per_class, precision, records = confusion.per_class, confusion.precision, confusion.counts.sum(1)
    table = _columns("class", "records", "accuracy", "precision")
    for i in classes:
        shares = ("" if share != share else f"{share:.4f}" for share in (per_class[i], precision[i]))
        table.add_row(confusion.names[i], f"{records[i]:,}", *shares)
    return table


def _matrix(confusion: Confusion) -> Table:
    table = _columns("", *confusion.names[: len(confusion.counts)])
    for name, row in zip(confusion.names, confusion.counts, strict=False):
        table.add_row(name, *(str(count) if count else "." for count in row))
    return table


def _mistakes(confusion: Confusion) -> Table:
    table = _columns("label -> predicted", "times")
    for label, predicted, count in confusion.mistakes():
        table.add_row(f"{confusion.names[label]} -> {confusion.names[predicted]}", str(count))
    return table

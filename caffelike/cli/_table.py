"""How commands show what they found: as a table, or with --json for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def text(table: Any) -> str:
    """A rich table as it is printed, without colours and without spaces at the ends of lines."""
    from rich.console import Console

    # Where nobody looks at a terminal's width, a table must not be cut.
    console = Console(width=None if sys.stdout.isatty() else 200)
    with console.capture() as printed:
        console.print(table, highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in printed.get().rstrip().splitlines())


def echo(table: Any) -> None:
    """Print a rich table."""
    click.echo(text(table))


def rows(columns: Sequence[str], cells: Iterable[Sequence[str]], words: int = 1) -> None:
    """Print a table whose first `words` columns are of words and whose others are of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < words else "right", no_wrap=i >= words)
    for row in cells:
        table.add_row(*row)
    echo(table)


def echo_json(found: Any) -> None:
    """Print plain lists, dictionaries, strings and numbers as JSON."""
    click.echo(json.dumps(found, indent=1))

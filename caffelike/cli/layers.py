"""`caffelike layers`: what layer types there are, and what is known of each."""

import json
from collections.abc import Iterable

import click

from caffelike.layer_catalog import Entry, Option, catalog, entry

minloglevel = 1


@click.command()
@click.argument("type_name", metavar="[TYPE]", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all that is known, also options and checks.")
def command(type_name: str, as_json: bool) -> None:
    """List the layer types, or show what TYPE computes, its options, kernels, and what it was checked against.

    Types of your own are listed too: --plugin my_module.

    Example: caffelike layers Pooling
    """
    found = [entry(type_name)] if type_name else catalog()
    if as_json:
        listed = [one.to_dict() for one in found]
        click.echo(json.dumps(listed[0] if type_name else listed, indent=1))
    elif type_name:
        _show(found[0])
    else:
        _list(found)


def _list(entries: list[Entry]) -> None:
    width = max(len(one.type) for one in entries)
    for one in entries:
        click.echo(f"{one.type:<{width}}  {' '.join(one.kernels):<14}  {one.summary}")
    click.echo(f"\n{len(entries)} types. `caffelike layers TYPE` shows one; docs/layers.md says how to write your own.")


def _show(one: Entry) -> None:
    also = f" (also called {', '.join(one.names)})" if one.names else ""
    click.echo(f"{one.type}{also}\n\n{one.doc}\n")
    if one.options:
        click.echo("Options:")
        for line in _columns((option.name, option.type, _default(option), option.forks) for option in one.options):
            click.echo(f"  {line}")
    click.echo(f"Defined in: {one.module}")
    click.echo(f"Kernels: {', '.join(one.kernels)}")
    for reference, places in one.checked.items():
        where = ", ".join(places) if len(places) < 4 else f"{len(places)} cases; --json lists them"
        click.echo(f"Checked against: {reference} ({where})")


def _default(option: Option) -> str:
    if option.default is None:
        return ""
    return f"default {(isinstance(option.default, str) and option.default) or json.dumps(option.default)}"


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as lines, each column as wide as its longest cell."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]

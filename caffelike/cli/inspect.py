"""`caffelike inspect`: what a file of weights, a solver state or a mean file holds."""

from typing import TYPE_CHECKING

import click

from caffelike.cli import _table

if TYPE_CHECKING:
    from caffelike.weights_report import FileReport, Values

minloglevel = 1

_KINDS = {"weights": "weights", "state": "solver state", "array": "array (.binaryproto)"}


@click.command()
@click.argument("weights", metavar="WEIGHTS")
@_table.option
def command(weights: str, as_json: bool) -> None:
    """Show layers, types, shapes and ranges of values of WEIGHTS.

    WEIGHTS: a .caffemodel or .solverstate of any generation and fork, also in HDF5, or a .binaryproto. The file says
    itself what it is. Ranges are those of the finite numbers; NaNs and infinities are counted.

    Example: caffelike inspect net.caffemodel
    """
    from caffelike.weights_report import inspect

    report = inspect(weights)
    if as_json:
        _table.echo_json(report.to_dict())
    else:
        _print(report)


def _print(report: "FileReport") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    facts = [_KINDS[report.kind], report.generation, f"{report.bytes:,} bytes", report.name and f'net "{report.name}"']
    if report.kind == "weights" and report.generation != "HDF5":
        facts.append(f"fields of the fork(s) {', '.join(report.forks)}" if report.forks else "no fork's fields")
    if report.kind == "state":
        facts.append(f'iteration {report.iter}, step {report.current_step}, weights "{report.learned_net}"')
    click.echo(f"{report.path}: {', '.join(filter(None, facts))}")
    table = Table(box=SIMPLE_HEAD, show_footer=True)
    totals = report.totals
    table.add_column("layer", footer="total")
    for title in ("type", "blob", "shape"):
        table.add_column(title, no_wrap=title != "type")
    table.add_column("bytes", footer=f"{totals['bytes']:,}", justify="right", no_wrap=True)
    for title in ("min", "max", "mean |x|"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", footer=_bad(totals["nans"], totals["infinities"]))
    for layer in report.layers:
        for array in layer.arrays:
            shape = " x ".join(map(str, array.shape)) or "scalar"
            shape += "" if array.dtype == "float32" else f" {array.dtype}"
            first = array is layer.arrays[0]
            table.add_row(
                layer.name if first else "",
                layer.type if first else "",
                str(array.index),
                shape + (" +diff" if array.diff else ""),
                f"{array.bytes:,}",
                *_numbers(array.values),
                _bad(array.values.nans, array.values.infinities),
            )
    _table.echo(table)


def _numbers(values: "Values") -> list[str]:
    return ["" if x is None else f"{x:.4g}" for x in (values.minimum, values.maximum, values.mean_abs)]


def _bad(nans: int, infinities: int) -> str:
    return ", ".join(f"{count:,} {word}" for count, word in ((nans, "NaN"), (infinities, "inf")) if count)

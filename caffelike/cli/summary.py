"""`caffelike summary`: shapes, receptive fields, parameters, multiply-accumulates and memory of a net, by layer."""

import os
from typing import Any

import click

from caffelike.cli import _options, _table
from caffelike.errors import FileError

minloglevel = 1


@click.command()
@click.argument("model", metavar="FILE|MODEL")
@_options.inputs
@click.option("--phase", type=_options.Capitals(["TRAIN", "TEST"]), default="TEST", show_default=True)
@click.option(
    "--style",
    type=click.Choice(["krizhevsky", "simonyan", "szegedy", "he", "huang"]),
    default=None,
    help="As the table of AlexNet's, VGG's, GoogLeNet's, ResNet's or DenseNet's paper.",
)
@_table.option
def command(model: str, inputs: tuple[str, ...], phase: str, style: str | None, as_json: bool) -> None:
    """Count the net of FILE (a prototxt) or of MODEL (lenet, googlenet, resnet50 ...).

    MACs: multiply-accumulates with weights in one forward pass of the whole batch. Activations: bytes of float32
    outputs, none for layers that work in place. Field: so many pixels of the input, padding included, make one of the
    output. Below: the memory of inference and training. Nothing is run and no data are needed if --input gives a shape.

    Example: caffelike summary train_val.prototxt --input 32,3,227,227
    """
    from caffelike import TEST, TRAIN
    from caffelike.summary import describe

    if style is not None:
        _paper(_definition(model), TRAIN if phase == "TRAIN" else TEST, inputs, style, as_json)
        return
    summary = describe(_definition(model), TRAIN if phase == "TRAIN" else TEST, _options.shapes(inputs))
    if as_json:
        _table.echo_json(summary.to_dict())
    else:
        _print(summary)


def _paper(path: str, phase: int, inputs: tuple[str, ...], style: str, as_json: bool) -> None:
    from caffelike.summary import build_without_data
    from caffelike.tools import paper_tables

    net = build_without_data(path, phase, _options.shapes(inputs))
    found = paper_tables.table(net, style)
    if as_json:
        _table.echo_json(found._asdict())
        return
    _table.rows(found.columns, [[f"{n:,}" if isinstance(n, int) else n for n in row] for row in found.rows], words=2)
    for note in found.notes:
        click.echo(note)


def _definition(model: str) -> str:
    """A file as it is, or the deploy.prototxt of a model known by name."""
    from caffelike import hub

    if os.path.isfile(model):
        return model
    if os.sep in model or model.endswith(".prototxt"):
        raise FileError(f"Could not open file {model}")
    return str(hub.find(model) / "deploy.prototxt")


def _print(summary: Any) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=f"{summary.name} ({summary.phase})", title_justify="left", show_footer=True)
    table.add_column("layer", footer="total")
    table.add_column("type")
    table.add_column("output")
    table.add_column("field", no_wrap=True)
    for title, column in (("parameters", "parameters"), ("MACs", "macs"), ("activations", "activation_bytes")):
        table.add_column(title, footer=f"{summary.totals[column]:,}", justify="right", no_wrap=True)
    for row in summary.layers:
        shapes = "\n".join(" x ".join(map(str, shape)) or "scalar" for shape in row.tops.values())
        numbers = (row.parameters, row.macs, row.activation_bytes)
        fields = sorted(field.size for field in row.receptive_field.values())
        field = " x ".join(map(str, fields[-1])) if fields else ""
        table.add_row(row.name, row.type, shapes, field, *(f"{n:,}" if n else "" for n in numbers))
    _table.echo(table)
    for what, needed in (("inference", summary.inference), ("training", summary.training)):
        if needed:
            total, least = (needed.parameters + size for size in (needed.blobs, needed.shared))
            click.echo(f"Memory for {what}: {_size(total)}; {_size(least)} where blobs take turns (train, time)")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

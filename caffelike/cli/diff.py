"""`caffelike diff`: what differs between two definitions, or two files of weights."""

import json
from dataclasses import asdict

import click

from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--tolerance", default=0.0, metavar="X", help="Arrays that differ by less, relatively, are equal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def command(a: str, b: str, tolerance: float, as_json: bool) -> int:
    """Compare A and B: two nets, two solvers, or two .caffemodel files (of any generation; HDF5 too).

    Definitions are compared layer by layer, by name, in the current form; weights array by array. Exit code: 0 if
    nothing differs, 1 otherwise.

    Example: caffelike diff mine.caffemodel theirs.caffemodel --tolerance 1e-5
    """
    from caffelike.check import kind_of
    from caffelike.schema import tokens
    from caffelike.tools import diff

    text = [diff.is_definition(path) for path in (a, b)]
    if text[0] != text[1]:
        raise CaffelikeError(f"{a} is {_word(text[0])}, but {b} is {_word(text[1])}: nothing to compare.")
    if text[0]:
        kinds = []
        for path in (a, b):
            with open(path, "rb") as file:
                kinds.append(kind_of(tokens.decode(file.read())))
        if kinds[0] != kinds[1]:
            raise CaffelikeError(
                f"{a} is a {kinds[0] or 'file of no kind'}, but {b} is a {kinds[1] or 'file of no kind'}."
            )
        found = diff.diff_solvers(a, b) if kinds[0] == "solver" else diff.diff_nets(a, b)
    else:
        found = [x for x in diff.diff_weights(a, b) if x.relative is None or not x.relative <= tolerance]
    if as_json:
        click.echo(json.dumps([asdict(difference) for difference in found], indent=1))
    else:
        for x in found:
            where = f"{x.layer}: {x.what}" if x.layer else x.what
            if x.largest is not None:
                click.echo(f"{where}: largest difference {x.largest:.3g}, relative {x.relative:.3g}")
            else:
                click.echo(f"{where}: {x.a or '(none)'} -> {x.b or '(none)'}")
    return 1 if found else 0


def _word(definition: bool) -> str:
    return "a definition" if definition else "a file of weights"

"""`caffelike split_imageset`: lists to train, validate and test with."""

import click

from caffelike.cli import _table
from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("source", metavar="FOLDER|LISTFILE")
@click.argument("folder", metavar="[OUTDIR]", required=False, default=".")
@click.option("--parts", default="train=0.8,val=0.1,test=0.1", show_default=True, help="Names and shares of the lists.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives another division.")
@_table.option
def command(source: str, folder: str, parts: str, seed: int, as_json: bool) -> None:
    """Divide the images of FOLDER (each folder in it is a class) or of a list into OUTDIR/train.txt, val.txt, test.txt.

    Every class is divided in the same shares. The lists are for convert_imageset.

    Example: caffelike split_imageset photos lists --parts train=0.9,val=0.1
    """
    from caffelike.tools import split_imageset

    try:
        shares = {name: float(share) for name, share in (part.split("=") for part in parts.split(","))}
    except ValueError:
        raise CaffelikeError(f"--parts takes names and shares such as train=0.9,val=0.1, not '{parts}'.") from None
    counts = split_imageset(source, folder, shares, seed)
    if as_json:
        _table.echo_json(counts)
        return
    for name, count in counts.items():
        click.echo(f"{name}.txt: {count} images")

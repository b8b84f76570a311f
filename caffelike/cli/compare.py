"""`caffelike compare`: a net's blobs beside recorded ones, layer by layer."""

from dataclasses import asdict

import click

from caffelike.cli import _table
from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("weights", required=False)
@click.argument("recorded", metavar="BLOBS", required=False)
@click.option("--record", "target", default="", metavar="FILE", help="Write this net's blobs as .npz instead.")
@click.option("--inputs", default="", metavar="FILE", help="For --record: an .npz or HDF5 file with the inputs.")
@click.option(
    "--tolerance", default=1e-4, show_default=True, help="Largest difference allowed, over the largest value."
)
@_table.option
def command(
    net: str, weights: str | None, recorded: str | None, target: str, inputs: str, tolerance: float, as_json: bool
) -> int:
    """Run NET with WEIGHTS on the inputs in BLOBS and show how far each blob is from the recorded one of its name.

    BLOBS: arrays by blob name in an .npz or HDF5 file, from another program or from --record. Exit code 1: a blob
    differs by more than --tolerance. The first that does is where to look.

    Example: caffelike compare deploy.prototxt net.caffemodel blobs.npz
    """
    import caffelike
    from caffelike.tools.compare import compare, read_blobs, record

    if recorded is None and not target:
        raise CaffelikeError("compare needs NET WEIGHTS BLOBS, or NET [WEIGHTS] --record FILE.")
    loaded = caffelike.Net(net, caffelike.TEST, weights=weights)
    if target:
        names = record(loaded, target, read_blobs(inputs) if inputs else None)
        click.echo(f"Wrote {target}: {', '.join(names)}")
        return 0
    found = compare(loaded, read_blobs(recorded or ""))
    bad = [blob for blob in found if blob.error or not blob.relative <= tolerance]
    if as_json:
        _table.echo_json([asdict(blob) for blob in found])
    else:
        _print(found, bad)
    return int(bool(bad))


def _print(found: list, bad: list) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for name in ("blob", "layer", "shape"):
        table.add_column(name)
    for name in ("largest", "relative"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for blob in found:
        mark = blob.error or ("differs" if blob in bad else "")
        shape = " x ".join(map(str, blob.shape)) or "scalar"
        table.add_row(blob.blob, blob.layer, shape, f"{blob.largest:.3g}", f"{blob.relative:.3g}", mark)
    _table.echo(table)
    click.echo(f"The first that differs is {bad[0].blob} (layer {bad[0].layer})." if bad else "All blobs agree.")

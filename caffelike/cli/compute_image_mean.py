"""`caffelike compute_image_mean`: the mean image of a data base."""

import click

from caffelike.cli import _terminal


@click.command()
@click.argument("db", metavar="INPUT_DB")
@click.argument("output", metavar="[OUTPUT_FILE]", required=False, default=None)
@click.option("--backend", default="", metavar="lmdb|leveldb", help="Default: what the folder is.")
def command(db: str, output: str | None, backend: str) -> None:
    """Write the mean of all images in INPUT_DB to OUTPUT_FILE (.binaryproto), and log that of each channel.

    OUTPUT_FILE is for `mean_file` of transform_param, the logged numbers are for `mean_value`.

    Example: caffelike compute_image_mean train_lmdb mean.binaryproto
    """
    from caffelike.tools import compute_image_mean

    with _terminal.progress("mean", None) as show:
        compute_image_mean(db, output, backend, tick=lambda done: show(done, lambda: ""))

"""`caffelike predict`: many pictures through a net, on all cores or a Ray cluster, into a table."""

import os
from typing import Any

import click

from caffelike.cli import _recipe, _terminal

minloglevel = 1


@click.command()
@click.argument("model", metavar="BUNDLE|NET|MODEL")
@click.argument("inputs", nargs=-1, required=True, metavar="PICTURES...")
@click.option("--out", required=True, metavar="FILE", help="The result: .parquet, .csv, .jsonl, .npy or .lmdb.")
@click.option("--weights", default=None, metavar="FILE", help="The .caffemodel, unless the model is a bundle.")
@click.option("--workers", default=0, metavar="N", help="Nets that work at once; default: one a core.")
@click.option(
    "--ray", is_flag=False, flag_value="auto", default=None, metavar="[ADDRESS]", help="Work on a Ray cluster."
)
@click.option("--top", default=5, show_default=True, help="Classes a picture.")
@click.option("--batch", default=16, show_default=True, help="Pictures a pass.")
@click.option(
    "--shard", default=256, show_default=True, help="Pictures a shard: what a stopped run does again at most."
)
@_recipe.flags
def command(
    model: str,
    inputs: tuple[str, ...],
    out: str,
    weights: str | None,
    workers: int,
    ray: str | None,
    top: int,
    batch: int,
    shard: int,
    **given: Any,
) -> None:
    """Classify all PICTURES (files, folders, lists, LMDBs) and write a row for each, in their order.

    A run that was stopped goes on when the same command is given again. A picture that cannot be read is a row with an
    error. .npy and .lmdb hold the output's numbers instead of classes. --ray "" starts Ray on this machine.

    Example: caffelike predict squeezenet.bundle photos/ --out photos.parquet
    """
    from caffelike.predict.run import predict
    from caffelike.predict.work import Job

    recipe = _recipe.net(model, weights, given).recipe
    job = Job(os.path.abspath(model) if os.path.exists(model) else model, weights or "", recipe, top, batch)
    with _terminal.progress("predict", None) as show:
        count = predict(
            job, inputs, out, workers or os.cpu_count() or 1, ray, shard,
            tick=lambda done, total: show(done, lambda: "shards", total),
        )  # fmt: skip
    click.echo(f"Wrote {out}: {count:,} pictures")

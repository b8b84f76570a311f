"""`caffelike parse-log`: a training log as tables."""

import click

minloglevel = 1


@click.command()
@click.argument("log", metavar="LOG")
@click.argument("folder", metavar="[OUTDIR]", required=False, default=".")
@click.option("--verbose", is_flag=True, help="Say how many rows there are.")
@click.option("--delimiter", default=",", show_default=True, help="What separates columns.")
def command(log: str, folder: str, verbose: bool, delimiter: str) -> None:
    """Write the tables of a training LOG as OUTDIR/LOG.train and OUTDIR/LOG.test (CSV), as Caffe's parse_log.py does.

    Columns: NumIters, Seconds, LearningRate, then the net's outputs. Further test nets go to LOG.test1, ...

    Example: caffelike parse_log train.log tables
    """
    from caffelike.tools.training_log import parse_log, write_csv

    parsed = parse_log(log)
    written = write_csv(parsed, folder, delimiter)
    for path in written:
        rows = parsed.tables[path.suffix[1:]]
        click.echo(f"Wrote {path}" + (f": {len(rows)} rows" if verbose else ""))
    if not written:
        click.echo(f"{log} shows no outputs: nothing was displayed and nothing tested while it was written.")

"""`caffelike plot`: training logs as charts."""

import os

import click

from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("logs", metavar="LOG...", nargs=-1)
@click.option("--output", default="training.png", show_default=True, metavar="FILE", help="A .png, .svg or .pdf.")
@click.option("--charts", default="", metavar="0,6", help="Which charts; default: all.")
def command(logs: tuple[str, ...], output: str, charts: str) -> None:
    """Draw training LOGs: accuracy, losses and learning rate over iterations and over seconds.

    Charts, numbered as in Caffe's plot script: 0 and 1 test accuracy, 2 and 3 test loss, 4 and 5 learning rate,
    6 and 7 train loss, over iterations and seconds.

    As Caffe's script takes it, too: the chart's number, the picture, the logs.

    Example: caffelike plot 6 loss.png train.log
    """
    from caffelike.tools.plot import CHARTS, plot
    from caffelike.tools.training_log import parse_log

    if len(logs) > 2 and logs[0].isdecimal() and not charts and not os.path.exists(logs[0]):
        charts, output, *rest = logs  # Caffe's script: the chart's number, the picture, logs
        logs = tuple(rest)
    if not logs:
        raise CaffelikeError("Name the logs to draw: caffelike plot train.log ...")
    try:
        numbers = [int(word) for word in charts.split(",")] if charts else list(range(len(CHARTS)))
    except ValueError:
        raise CaffelikeError(f"--charts takes numbers such as 0,6, not '{charts}'.") from None
    click.echo(f"Wrote {plot([parse_log(log) for log in logs], output, numbers)}")

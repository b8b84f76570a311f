"""`caffelike draw`: a net as a picture."""

import click

from caffelike.cli import _options
from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("target", metavar="OUT")
@click.option(
    "--rankdir", type=click.Choice(["LR", "RL", "TB", "BT"]), default="LR", show_default=True, help="Which way it goes."
)
@click.option("--phase", type=_options.Capitals(["TRAIN", "TEST", "ALL"]), default="ALL", show_default=True)
@click.option("--display_lrm", is_flag=True, help="Show learning rate multipliers.")
def command(net: str, target: str, rankdir: str, phase: str, display_lrm: bool) -> None:
    """Draw NET (a prototxt) into OUT, whose ending is the format: .svg, .png, .pdf, .dot ...

    Graphviz draws where its program `dot` is installed; without it SVG, PNG and DOT are drawn by caffelike itself.

    Example: caffelike draw train_val.prototxt net.svg --phase TRAIN
    """
    from caffelike import TEST, TRAIN, draw
    from caffelike.schema import text

    if "." not in target.rpartition("/")[2]:
        raise CaffelikeError(f"{target} has no ending; it says the format: net.svg, net.png, net.dot.")
    phases = {"TRAIN": TRAIN, "TEST": TEST, "ALL": None}
    draw.draw_net_to_file(text.read_net(net).message, target, rankdir, phases[phase], display_lrm)
    click.echo(f"Drawing net to {target}")

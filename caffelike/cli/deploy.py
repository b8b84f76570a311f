"""`caffelike deploy`: the definition to use a trained net with, from the one it was trained with."""

import click

from caffelike.cli import _options

minloglevel = 1


@click.command()
@click.argument("source", metavar="TRAIN_VAL")
@click.argument("target", metavar="DEPLOY", required=False)
@_options.inputs
@_options.stage
def command(source: str, target: str | None, inputs: tuple[str, ...], stage: str) -> None:
    """Write DEPLOY (or, without it, print) what is left of TRAIN_VAL when nothing is learned.

    Data layers become an Input, labels and what reads them go, SoftmaxWithLoss becomes Softmax, fillers and learning
    rates are left out; a trained .caffemodel fits the result. Layers for the phase TEST are kept.

    Example: caffelike deploy train_val.prototxt deploy.prototxt --input 10,3,227,227
    """
    from caffelike.files import atomic_path
    from caffelike.schema.writer import format_text
    from caffelike.tools.deploy import check_builds, deploy

    message = deploy(source, _options.shapes(inputs), stage.split(",") if stage else ())
    if target is None:
        click.echo(format_text(message), nl=False)
        return
    with atomic_path(target) as temporary:
        temporary.write_text(format_text(message), encoding="utf-8")
        check_builds(temporary)
    click.echo(f"Wrote {target}: {len(message.layer)} layers")

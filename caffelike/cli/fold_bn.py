"""`caffelike fold_bn`: batch normalisation folded into the weights before it."""

import click

from caffelike.cli import _table

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("weights")
@click.argument("out_net")
@click.argument("out_weights")
@_table.option
def command(net: str, weights: str, out_net: str, out_weights: str, as_json: bool) -> None:
    """Write NET and WEIGHTS without the BatchNorm and Scale layers that the weights before them can take over.

    Outputs agree to rounding. caffelike folds in memory by itself when it runs a net for testing; the files are for
    other programs. Layers of the phase TEST are kept.

    Example: caffelike fold_bn deploy.prototxt resnet.caffemodel folded.prototxt folded.caffemodel
    """
    from caffelike.files import atomic_path
    from caffelike.schema.weights import write_weights
    from caffelike.schema.writer import format_text
    from caffelike.tools.fold import fold

    folded = fold(net, weights)
    write_weights(out_weights, folded.message.name, folded.layers)
    with atomic_path(out_net) as temporary:
        temporary.write_text(format_text(folded.message), encoding="utf-8")
    if as_json:
        _table.echo_json({"folded": folded.gone})
        return
    click.echo(f"Folded {len(folded.gone)} layers: {', '.join(folded.gone)}")

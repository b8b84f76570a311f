"""`caffelike prune`: the smallest weights of a net set to zero."""

from dataclasses import asdict

import click

from caffelike.cli import _table
from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("weights")
@click.argument("out_weights")
@click.option("--fraction", type=float, help="Of each layer's weights, so many are set to zero: 0.5 is half of them.")
@click.option("--threshold", type=float, help="Weights of at most this magnitude are set to zero.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Only this layer, with this value; may be repeated.",
)
@_table.option
def command(
    net: str,
    weights: str,
    out_weights: str,
    fraction: float | None,
    threshold: float | None,
    layers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write WEIGHTS of NET with the smallest weights of each layer set to zero; biases stay.

    OUT_WEIGHTS has the same shapes, packs smaller (gzip), and fine-tunes as any other. The last column is what went, as
    a part of the layer's sum of squares: where it is large, accuracy goes too.

    Example: caffelike prune deploy.prototxt lenet.caffemodel pruned.caffemodel --fraction 0.8
    """
    import caffelike
    from caffelike.tools.prune import prune

    loaded = caffelike.Net(net, caffelike.TEST, weights=weights)
    try:
        found = prune(loaded, fraction, threshold, dict(map(_layer, layers)))
        loaded.save(out_weights)
    finally:
        loaded.close()
    total, zeros = sum(one.weights for one in found), sum(one.zeros for one in found)
    if as_json:
        told = {"weights": total, "zeros": zeros, "layers": [asdict(one) for one in found]}
        _table.echo_json(told)
        return
    rows = [
        (one.layer, f"{one.weights:,}", f"{one.zeros / one.weights:.1%}", f"{one.threshold:.4g}", f"{one.share:.2%}")
        for one in found
        if one.weights
    ]
    _table.rows(("layer", "weights", "zeros", "up to", "of its squares"), rows)
    click.echo(f"Wrote {out_weights}: {zeros:,} of {total:,} weights are 0")


def _layer(text: str) -> tuple[str, float | None]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value) if equals else None
    except ValueError:
        raise CaffelikeError(f"--layer takes NAME or NAME=VALUE, not {text}.") from None

"""`caffelike prune`: the smallest weights of a net set to zero, or whole filters removed."""

from dataclasses import asdict

import click

from caffelike.cli import _table
from caffelike.errors import CaffelikeError

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("weights")
@click.argument("out_weights")
@click.option("--fraction", type=float, help="Of each layer's weights (or filters), so many go: 0.5 is half of them.")
@click.option("--threshold", type=float, help="Weights of at most this magnitude (filters: of this L1 norm) go.")
@click.option(
    "--filters",
    "out_net",
    metavar="OUT_NET",
    help="Remove whole filters, and write the smaller definition to this file.",
)
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
    out_net: str | None,
    layers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write WEIGHTS of NET with the smallest weights of each layer set to zero; biases stay.

    OUT_WEIGHTS has the same shapes, packs smaller (gzip), and fine-tunes as any other. The last column is what went, as
    a part of the layer's sum of squares: where it is large, accuracy goes too.

    With --filters whole filters go instead: output channels with the smallest L1 norms, and the channels of the layers
    that read them. The net becomes smaller and faster; it is the net in which these channels are zero. Layers whose
    channels something else needs (a sum, a concatenation, an output) keep all of theirs, and the list says why.

    Example: caffelike prune deploy.prototxt lenet.caffemodel pruned.caffemodel --fraction 0.8

    Example: caffelike prune deploy.prototxt lenet.caffemodel small.caffemodel --filters small.prototxt --fraction 0.5
    """
    if out_net is not None:
        _filters(net, weights, out_net, out_weights, fraction, threshold, dict(map(_layer, layers)), as_json)
        return
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


def _filters(
    net: str,
    weights: str,
    out_net: str,
    out_weights: str,
    fraction: float | None,
    threshold: float | None,
    only: dict[str, float | None],
    as_json: bool,
) -> None:
    from caffelike.files import atomic_path
    from caffelike.schema.weights import write_weights
    from caffelike.schema.writer import format_text
    from caffelike.tools.filters import remove_filters

    found = remove_filters(net, weights, fraction, threshold, only)
    write_weights(out_weights, found.message.name, found.layers)
    with atomic_path(out_net) as temporary:
        temporary.write_text(format_text(found.message), encoding="utf-8")
    if as_json:
        removed = [asdict(one) for one in found.removed]
        _table.echo_json({"before": found.before, "after": found.after, "layers": removed, "kept": found.kept})
        return
    rows = [
        (one.layer, f"{one.filters:,}", f"{one.filters - len(one.removed):,}", f"{one.share:.1%}")
        for one in found.removed
    ]
    _table.rows(("layer", "filters", "left", "of its L1 norm removed"), rows)
    for name, reason in found.kept.items():
        click.echo(f"{name} keeps its filters: {reason}")
    click.echo(f"Wrote {out_net} and {out_weights}: {found.after:,} of {found.before:,} parameters are left")


def _layer(text: str) -> tuple[str, float | None]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value) if equals else None
    except ValueError:
        raise CaffelikeError(f"--layer takes NAME or NAME=VALUE, not {text}.") from None

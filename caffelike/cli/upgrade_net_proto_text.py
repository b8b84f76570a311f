"""`caffelike upgrade_net_proto_text`: a net's prototxt of any generation in, the current form out."""

import click


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
def command(source: str, target: str) -> int:
    """Write IN, a net's prototxt in any old form, as OUT in the current form.

    Exit code 1: parts of it had no place there; each is logged.

    Example: caffelike upgrade_net_proto_text old.prototxt new.prototxt
    """
    from caffelike.schema.upgrade_files import upgrade_net_proto_text

    return 0 if upgrade_net_proto_text(source, target) else 1

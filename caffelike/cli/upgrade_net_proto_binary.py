"""`caffelike upgrade_net_proto_binary`: a .caffemodel of any generation in, the current form out."""

import click


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
def command(source: str, target: str) -> int:
    """Write IN, a .caffemodel in any old form, as OUT in the current form.

    Exit code 1: parts of it had no place there; each is logged.

    Example: caffelike upgrade_net_proto_binary old.caffemodel new.caffemodel
    """
    from caffelike.schema.upgrade_files import upgrade_net_proto_binary

    return 0 if upgrade_net_proto_binary(source, target) else 1

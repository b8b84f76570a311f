"""`caffelike upgrade`: old files in the current form, in place."""

import shutil
from collections.abc import Callable

import click

from caffelike.cli import _table

minloglevel = 2


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit code 1 if any file is old.")
@_table.option
def command(files: tuple[str, ...], only_check: bool, as_json: bool) -> int:
    """Bring each FILE to the current form: a net's or solver's prototxt, or a .caffemodel, of any generation.

    The file as it was is kept beside it as FILE.bak. A file that is current is left alone. Exit code 1: parts of an
    old file had no place in the current form (its .bak still has them), or --check found an old one.

    Example: caffelike upgrade *.prototxt *.caffemodel
    """
    states = {}
    for path in files:
        old, upgrade = _kind(path)
        if not old:
            states[path] = "current"
        elif only_check:
            states[path] = "old"
        else:
            shutil.copy2(path, f"{path}.bak")
            whole = upgrade(path, path)
            states[path] = "upgraded" if whole else f"upgraded, but not all of it: compare with {path}.bak"
        if not as_json:
            click.echo(f"{path}: {states[path]}")
    if as_json:
        _table.echo_json(states)
    return int(any(state not in ("current", "upgraded") for state in states.values()))


def _kind(path: str) -> tuple[bool, Callable[[str, str], bool]]:
    """Whether a file is old, and the function that upgrades its kind."""
    from caffelike.check import kind_of
    from caffelike.schema import message_class, tokens, upgrade_files
    from caffelike.schema.reader import read
    from caffelike.schema.upgrade import net_needs_upgrade
    from caffelike.tools.diff import is_definition

    if not is_definition(path):
        return upgrade_files.weights_need_upgrade(path), upgrade_files.upgrade_net_proto_binary
    with open(path, "rb") as file:
        solver = kind_of(tokens.decode(file.read())) == "solver"
    if solver:
        message = read(path, message_class("SolverParameter")).message
        return message.HasField("solver_type"), upgrade_files.upgrade_solver_proto_text
    return net_needs_upgrade(read(path, message_class("NetParameter")).message), upgrade_files.upgrade_net_proto_text

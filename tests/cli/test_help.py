"""Every command explains itself: an example in its help that can be run as it stands, and JSON beside every table."""

import re
import shlex
from pathlib import Path

import pytest

from caffelike.cli import _flags, cli

COMMANDS = cli.list_commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_example(name):
    """Its words are taken by the command: no flag and no argument too much or too few."""
    command = cli.get_command(None, name)
    examples = re.findall(r"^\s*Example: (caffelike .*?)(?:\n\s*\n|\s*$)", command.help, re.DOTALL | re.MULTILINE)
    assert examples, f"`caffelike {name} --help` has no line `Example: caffelike {name} ...`"
    for example in examples:
        given = _flags.parse(shlex.split(example)[1:], cli)
        assert given.command == name
        command.make_context(name, given.arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_table_is_also_json(name):
    source = Path(cli.module(name).__file__).read_text()
    if re.search(r"_table\.(echo|rows)\(|_report\.show|log\.info\(.*per layer", source):
        assert any("--json" in param.opts for param in cli.get_command(None, name).params)

"""`caffelike completion`: the words that a shell offers when Tab is pressed."""

import click
from click.shell_completion import get_completion_class, shell_complete

minloglevel = 1


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, flags and file names of caffelike.

    For bash, in ~/.bashrc, and likewise for zsh in ~/.zshrc: eval "$(caffelike completion bash)". For fish, once:
    caffelike completion fish > ~/.config/fish/completions/caffelike.fish

    Example: caffelike completion bash
    """
    from caffelike.cli import COMPLETE, cli

    words = get_completion_class(shell)
    assert words is not None
    click.echo(words(cli, {}, "caffelike", COMPLETE).source())


def answer(asked: str) -> int:
    """Print the words that the shell asks for, and return the exit code."""
    from caffelike.cli import COMPLETE, cli

    for name in cli.list_commands():
        shown = cli.get_command(None, name)
        for param in shown.params if shown else ():
            if param.type is click.STRING:  # most are files; a shell that is told of a file offers its own names
                param.type = click.Path()
    return shell_complete(cli, {}, "caffelike", COMPLETE, asked)

"""The command line, `caffelike COMMAND ...`, with all of Caffe's spellings.

A command is a module of this package with a click command named `command`; its name is the module's. Modules that
start with an underscore are what commands share. `minloglevel = 1` in a module makes it silent but for warnings
unless the user asks otherwise.
"""

import difflib
import importlib
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

import click

from caffelike import log, plugins
from caffelike._version import __version__
from caffelike.cli import _flags, _terminal
from caffelike.errors import CaffelikeError

DEBUG = "CAFFELIKE_DEBUG"
COMPLETE = "_CAFFELIKE_COMPLETE"  # set by what `caffelike completion` prints, when the shell asks for words


class Commands(click.Group):
    """The group of all command modules; each is imported when it is needed."""

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        """Names of all commands."""
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """The command of that name (`device-query` is `device_query`), or None."""
        module = self.module(cmd_name)
        if module is None:
            return None
        command = module.command
        if command.help:  # click is to leave the line of an example as it is, so that it can be copied
            command.help = re.sub(r"\n\n( *)Example:", r"\n\n\1\b\n\1Example:", command.help)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, each with what its module says of it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._about(name)) for name in self.list_commands()])

    def _about(self, name: str) -> str:
        text = (importlib.import_module(f"{__name__}.{name}").__doc__ or "").partition("`: ")[2].strip()
        return text[:1].upper() + text[1:]

    def module(self, name: str) -> ModuleType | None:
        """The module of a command, or None."""
        name = name.replace("-", "_")
        return importlib.import_module(f"{__name__}.{name}") if name in self.list_commands() else None

    def unknown(self, name: str) -> str:
        """The message for a word that is no command."""
        known = self.list_commands()
        near = difflib.get_close_matches(name.replace("-", "_"), known, n=2)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        return f"Unknown action: {name}. {hint}Available caffelike actions: {', '.join(known)}."


@click.group(cls=Commands, name="caffelike", context_settings={"help_option_names": ["--help"]})
def cli() -> None:
    """Train, test and use Caffe models.

    Flags may be written -flag VALUE, --flag VALUE or -flag=VALUE, before or after the command.
    For every command: --plugin MODULE (with layer types of your own), --logtostderr, --log_dir DIR, --minloglevel 0..3,
    --flagfile FILE, --version.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own) and return the exit code; errors are one message on stderr."""
    if asked := os.environ.get(COMPLETE):
        from caffelike.cli import completion

        return completion.answer(asked)
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except click.UsageError as error:
        return _fail(error.format_message() + (_usage(error.ctx) if error.ctx else ""))
    except click.ClickException as error:
        return _fail(error.format_message())
    except CaffelikeError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - Python flushes it at exit
        return 1
    except MemoryError:
        return _fail("out of memory. A smaller batch_size needs less.")
    except OSError as error:
        return _fail(str(error))
    except Exception as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        if place := plugins.place_in_plugin(error):
            return _fail(f"{place}: {type(error).__name__}: {error}")
        return _fail(
            f"internal error: {type(error).__name__}: {error}. This is a bug in caffelike: please report it, with the"
            f" traceback that {DEBUG}=1 shows."
        )
    finally:
        log.detach()


def _run(argv: list[str]) -> int:
    if argv[:1] == ["help"]:  # as other programs have it
        argv = [*argv[1:], "--help"]
    given = _flags.parse(argv, cli)
    if given.version:
        click.echo(f"caffelike version {__version__}")
        return 0
    if given.command is None:
        click.echo(cli.get_help(click.Context(cli, info_name="caffelike")))
        return 0
    module = cli.module(given.command)
    if module is None:
        raise CaffelikeError(cli.unknown(given.command))
    _terminal.attach_log(given.minloglevel, getattr(module, "minloglevel", 0), given.log_dir)
    for note in given.notes:
        log.warning("caffe.cpp:430", note)
    for name in given.plugins:
        plugins.load(name)
    result = cli.main([given.command, *given.arguments], prog_name="caffelike", standalone_mode=False, obj=argv)
    return result if isinstance(result, int) else 0


def _usage(ctx: click.Context) -> str:
    line = " ".join(ctx.get_usage().split())
    return f"\n{line}\n`{ctx.command_path} --help` says more."


def _fail(text: str, code: int = 1) -> int:
    click.echo(f"caffelike: error: {text}", err=True)
    return code

"""Command lines as people wrote them for Caffe (gflags), turned into what click takes.

`-flag v`, `--flag v`, `-flag=v`, `--flag=v`, `--noflag`, before or after the command; underscores or hyphens;
glog's flags anywhere; `--flagfile`.
"""

import difflib
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from caffelike.errors import CaffelikeError, FileError

# Flags of every Caffe program, and ours for all commands; whether a value follows.
_GLOBAL = {
    "logtostderr": False,
    "alsologtostderr": False,
    "colorlogtostderr": False,
    "stderrthreshold": True,
    "log_dir": True,
    "minloglevel": True,
    "v": True,
    "vmodule": True,
    "flagfile": True,
    "plugin": True,
    "version": False,
    "help": False,
    "helpshort": False,
    "helpfull": False,
    "h": False,
}
_HELP = ("help", "helpshort", "helpfull", "h")
# The flags of the `caffe` program: any of its commands accepts them, whether it uses them or not.
_CAFFE = (
    *("gpu", "solver", "model", "phase", "level", "stage", "snapshot", "weights", "iterations"),
    *("sigint_effect", "sighup_effect"),
)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


@dataclass
class Given:
    """A parsed command line: the command, its arguments in click's form, and the flags for all commands."""

    command: str | None = None
    arguments: list[str] = field(default_factory=list)
    version: bool = False
    log_dir: str = ""
    minloglevel: int | None = None
    plugins: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def parse(argv: list[str], group: Any) -> Given:
    """Find the command and spell its flags as its click options; `group` knows the commands.

    Raises CaffelikeError for an unknown flag (near names listed) or a missing value.
    """
    if passed := _passed_on(argv, group):
        return passed
    tokens = _expand(argv)
    given = Given()
    position = _command_position(tokens, group)
    if position is not None:
        given.command = tokens.pop(position)
    command = group.get_command(None, given.command) if given.command else None
    options = _options(command) if command else {}
    rest = iter(tokens)
    for token in rest:
        if token == "--":
            given.arguments += [token, *rest]
        elif not _is_flag(token):
            given.arguments.append(token)
        else:
            name, value = _split(token)
            if name in options:
                given.arguments += _spell(name, value, options[name], rest)
            elif name in _GLOBAL:
                _global(given, name, value, rest)
            elif command is None and given.command:
                continue  # an unknown command is the error to report
            elif name in _CAFFE and command is not None and options.keys() & set(_CAFFE):
                given.notes.append(f"-{name} means nothing to {given.command} and is ignored, as in Caffe.")
                _value(name, value, rest)
            else:
                raise CaffelikeError(_unknown(token, given.command, options))
    return given


def _passed_on(argv: list[str], group: Any) -> Given | None:
    """The line as it stands, where it begins with a command that runs other programs (`run`): flags are theirs."""
    command = group.get_command(None, argv[0]) if argv and not _is_flag(argv[0]) else None
    if command is None or command.context_settings.get("allow_interspersed_args", True):
        return None
    return Given(command=argv[0], arguments=argv[1:])


def _is_flag(token: str) -> bool:
    """Whether a token is a flag and not a number, a lone `-`, or a word."""
    return len(token) > 1 and token[0] == "-" and not (token[1].isdigit() or token[1] == ".")


def _split(token: str) -> tuple[str, str | None]:
    name, equals, value = token.lstrip("-").partition("=")
    return name.replace("-", "_"), value if equals else None


def _expand(argv: list[str]) -> list[str]:
    """`argv` with every --flagfile replaced by the flags in that file."""
    tokens: list[str] = []
    rest = iter(argv)
    for token in rest:
        if not _is_flag(token) or _split(token)[0] != "flagfile":
            tokens.append(token)
            continue
        path = _value("flagfile", _split(token)[1], rest)
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise FileError(f"Could not open file {path} (--flagfile): {error.strerror}") from error
        tokens += [part for line in lines for part in shlex.split(line, comments=True)]
    return tokens


def _command_position(tokens: list[str], group: Any) -> int | None:
    """Index of the first token that is neither a flag nor a flag's value."""
    takes_value: dict[str, bool] | None = None
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if not _is_flag(token):
            return position
        name, value = _split(token)
        if takes_value is None:
            takes_value = dict(_GLOBAL)
            for command in group.list_commands():
                takes_value |= {
                    n: not _is_switch(o) for n, (o, _) in _options(group.get_command(None, command)).items()
                }
        position += 2 if value is None and takes_value.get(name) else 1
    return None


def _options(command: click.Command) -> dict[str, tuple[click.Option, str]]:
    """A command's options by name without dashes, each with the spelling that click knows."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option):
            for spelling in (*option.opts, *option.secondary_opts):
                found[spelling.lstrip("-").replace("-", "_")] = (option, spelling)
            for spelling in option.opts if option.secondary_opts else ():  # gflags: --noguard
                found[f"no{spelling.lstrip('-').replace('-', '_')}"] = (option, option.secondary_opts[0])
    return found


def _is_switch(option: click.Option) -> bool:
    return option.is_flag or option.count


def _spell(name: str, value: str | None, known: tuple[click.Option, str], rest: Any) -> list[str]:
    """The tokens click takes for one flag; a value still missing is taken from `rest`."""
    option, spelling = known
    if not _is_switch(option):
        values = [_value(name, value, rest)]
        values += [_value(name, None, rest) for _ in range(option.nargs - 1)]
        return [f"{spelling}={values[0]}"] if spelling.startswith("--") and option.nargs == 1 else [spelling, *values]
    if value is None or value.lower() in _TRUE:
        return [spelling]
    if value.lower() not in _FALSE:
        raise CaffelikeError(f"-{name} takes true or false, but '{value}' was given.")
    others = option.secondary_opts if spelling in option.opts else option.opts
    return list(others[:1])


def _value(name: str, value: str | None, rest: Any) -> str:
    if value is None:
        value = next(rest, None)
    if value is None:
        raise CaffelikeError(f"flag '-{name}' is missing its argument.")
    return value


def _global(given: Given, name: str, value: str | None, rest: Any) -> None:
    if _GLOBAL[name]:
        value = _value(name, value, rest)
    if name in _HELP:
        given.arguments.append("--help")
    elif name == "version":
        given.version = True
    elif name == "log_dir":
        given.log_dir = value or ""
    elif name == "plugin":
        given.plugins.append(value or "")
    elif name == "minloglevel":
        if value not in ("0", "1", "2", "3"):
            raise CaffelikeError(f"--minloglevel takes 0 (INFO), 1 (WARNING), 2 (ERROR) or 3 (FATAL), not '{value}'.")
        given.minloglevel = int(value)


def _unknown(token: str, command: str | None, options: dict[str, Any]) -> str:
    name = _split(token)[0]
    near = difflib.get_close_matches(name, [*options, *_GLOBAL], n=2)
    hint = f" Did you mean {' or '.join('-' + n for n in near)}?" if near else ""
    where = f"caffelike {command} --help" if command else "caffelike --help"
    return f"unknown command line flag '{name}'.{hint} `{where}` lists them."

"""`caffelike check`: all that is wrong with nets and solvers, with file, line and column."""

import json
from collections import Counter
from typing import Any

import click

from caffelike.cli import _options
from caffelike.errors import CaffelikeError

minloglevel = 3  # what the log would say of a definition stands in the report

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1)
@_options.inputs
@click.option(
    "--phase",
    type=_options.Capitals(["TRAIN", "TEST"]),
    help="Check a net in this phase only; default: both.",
)
@_options.level
@_options.stage
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of problems.")
def command(
    files: tuple[str, ...],
    inputs: tuple[str, ...],
    phase: str | None,
    level: int,
    stage: str,
    strict: bool,
    as_json: bool,
) -> int:
    """Say what is wrong with each FILE, a net's or a solver's prototxt; nothing is run and no data are needed.

    Prints file:line:column, what was expected and what came, and nothing when all is well. Errors keep a definition
    from being used; warnings do not; notes say what could not be checked.

    Exit code: 0 no errors, 1 errors, 2 wrong usage or a file that cannot be read.

    Example: caffelike check solver.prototxt --strict
    """
    from caffelike import TEST, TRAIN
    from caffelike.check import check

    phases = (TRAIN, TEST) if phase is None else (TRAIN if phase == "TRAIN" else TEST,)
    stages = [name for name in stage.split(",") if name]
    try:
        if not files:
            raise CaffelikeError("check needs a FILE: a net's or a solver's prototxt.")
        shapes = _options.shapes(inputs)
        problems = [p for file in files for p in check(file, shapes, phases, level, stages)]
    except CaffelikeError as error:
        click.echo(f"caffelike: error: {error}", err=True)
        return 2
    # A net that two files lead to is listed once.
    problems = list({(p.file, p.line, p.column, p.message): p for p in reversed(problems)}.values())[::-1]
    if as_json:
        click.echo(json.dumps([problem.to_dict() for problem in problems], indent=1))
    else:
        _print(problems)
    bad = ("error", "warning") if strict else ("error",)
    return int(any(problem.level in bad for problem in problems))


def _print(problems: list[Any]) -> None:
    lines: dict[str, list[str]] = {}
    for problem in problems:
        place, _, text = str(problem).partition(f": {problem.level}: ")
        level = click.style(problem.level, fg=_COLOURS[problem.level], bold=True)
        click.echo(f"{click.style(place, bold=True)}: {level}: {text}")
        if problem.file not in lines:
            lines[problem.file] = _lines(problem.file)
        if problem.level == "error" and problem.line <= len(lines[problem.file]):
            line = lines[problem.file][problem.line - 1]
            start = max(0, problem.column - 60)
            shown = line[start : start + 100]
            indent = "".join("\t" if c == "\t" else " " for c in line[start : problem.column - 1])
            click.echo(f"{problem.line:6} | {shown}\n{'':6} | {indent}{click.style('^', fg='red')}")
    counts = Counter(problem.level for problem in problems)
    if problems:
        total = ", ".join(f"{n} {level}{'s' * (n > 1)}" for level in _COLOURS if (n := counts[level]))
        click.echo(f"{total}.")


def _lines(path: str) -> list[str]:
    from caffelike.schema import tokens

    with open(path, "rb") as file:
        data = file.read()
    if tokens.other_file(data):
        return []
    return tokens.decode(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")

"""All that is wrong with a definition, at once, without running it: `caffelike check`.

    for problem in check("train_val.prototxt"):
        print(problem)

Takes nets and solvers of any generation; a solver's nets are checked with it. No data are needed and no module that a
definition names is imported.
"""

import os
from collections.abc import Mapping, Sequence

from caffelike.check.net import check_net
from caffelike.check.report import Problem, Report
from caffelike.check.solver import check_solver
from caffelike.errors import CaffelikeError, FileError, ParseError
from caffelike.layer import Shape
from caffelike.schema import TEST, TRAIN, message_class, tokens
from caffelike.schema.fields import describe
from caffelike.schema.reader import parse
from caffelike.summary import FIRST

__all__ = ["FIRST", "Problem", "check", "kind_of"]


def check(
    path: str | os.PathLike,
    inputs: Mapping[str, Shape] | None = None,
    phases: Sequence[int] = (TRAIN, TEST),
    level: int = 0,
    stages: Sequence[str] = (),
) -> list[Problem]:
    """All problems of a net's or a solver's prototxt, in the order of its lines.

    inputs: shapes by blob name (or FIRST: the first blob that is not computed from others), for blobs that come from
    data which are not here, from Python layers, or from types that are not known. phases: in which a net is built; a
    solver says itself in which. level, stages: of a net's state, for include and exclude rules.
    Raises FileError when the file cannot be read, and CaffelikeError for a name in `inputs` that no layer makes.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read()
    except OSError as error:
        raise FileError(f"Could not open file {name}: {error.strerror}") from error
    report = Report(inputs or {})
    if other := tokens.other_file(data):
        report.add("error", (name, 1, 1), other)
        return report.problems()
    text = tokens.decode(data)
    found: list[ParseError] = []
    kind = kind_of(text)
    if kind == "":
        report.add("error", (name, 1, 1), "no outermost field of this file belongs to a net or a solver")
    elif kind == "solver":
        check_solver(parse(text, message_class("SolverParameter"), name, found), found, report)
    else:
        document = parse(text, message_class("NetParameter"), name, found)
        states = [message_class("NetState")(phase=phase, level=level, stage=stages) for phase in phases]
        check_net(document, found, states, report)
    if report.unused:
        raise CaffelikeError(
            f"No layer of {name} makes the blob {min(report.unused)!r} that an input names; known are the tops of its"
            " layers."
        )
    return report.problems()


def kind_of(text: str) -> str:
    """What a definition is by its outermost fields: "net", "solver", or "" where neither has any of them."""
    try:
        kinds, texts, _ = tokens.cut(tokens.Source(text, ""))
    except ParseError:
        texts = text.replace("{", " { ").replace("}", " } ").replace(":", " : ").split()
        kinds = ["word" if word.isidentifier() else "mark" for word in texts]
    solver, net = (describe(message_class(name).DESCRIPTOR).fields for name in ("SolverParameter", "NetParameter"))
    depth = fields = as_solver = as_net = 0
    for kind, word, after in zip(kinds, texts, [*texts[1:], ""], strict=True):
        if kind == "mark":
            depth += (word in "{<[") - (word in "}>]")
        elif kind == "word" and depth == 0 and after in (":", "{", "<"):
            fields += 1
            as_solver += word in solver
            as_net += word in net
    if fields and not as_solver and not as_net:
        return ""
    return "solver" if as_solver > as_net else "net"

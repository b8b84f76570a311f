"""Checks a solver: its own fields, then the nets that it names, each in the states it trains and tests them in."""

import os
import re
from typing import Any

from caffelike import registry
from caffelike.check.net import check_net, report_text
from caffelike.check.report import Place, Report
from caffelike.data.paths import missing, resolve
from caffelike.errors import CaffelikeError, ParseError
from caffelike.schema import TEST, TRAIN, message_class
from caffelike.schema.reader import Document, read
from caffelike.schema.upgrade import upgrade_solver
from caffelike.solvers import definition, lr


def check_solver(document: Document, found: list[ParseError], report: Report) -> None:
    """Report all problems of a solver and of its nets; found: what the reader collected."""
    _Solver(document, report).run(found)


class _Solver:
    def __init__(self, document: Document, report: Report):
        self.document, self.report = document, report
        self.param = document.message

    def run(self, found: list[ParseError]) -> None:
        report_text(self.document, found, self.report)
        self.attempt(upgrade_solver, self.param, self.document.filename)
        self.words()
        self.attempt(lr.check, self.param)
        self.rule()
        self.files()
        train = self.attempt(definition.train_entry, self.param, "")
        tests = self.attempt(definition.test_entries, self.param, "")
        nets = [(*train, TRAIN, self.param.train_state)] if train else []
        nets += [(field, value, TEST, state) for field, value, state in tests or ()]
        self.nets(nets)

    def attempt(self, function: Any, *arguments: Any) -> Any:
        """The function's answer; its error is reported."""
        try:
            return function(*arguments)
        except CaffelikeError as error:
            self.add("error", str(error))
            return None

    def add(self, level: str, message: str, *path: str | int) -> None:
        self.report.add(level, self.place(message, *path), message)

    def place(self, message: str, *path: str | int) -> Place:
        """Where a field stands, or the first field that a message names."""
        names = [path] if path else [(word,) for word in self.named(message)]
        for name in names:
            if self.document.has(*name):
                return self.document.filename, *self.document.position(*name)
        return self.document.filename, 1, 1

    def named(self, message: str) -> list[str]:
        """Fields that a message may be about: those it names, those whose values it quotes, words that are fields."""
        words = re.findall(r"\w+", message)
        quoted = [field.name for field, value in self.param.ListFields() if isinstance(value, str) and value in words]
        return [*(word for word in words if "_" in word or word == "momentum"), *quoted, *words]

    def words(self) -> None:
        """Report what a fork added that this solver does not know."""
        for foreign in definition.foreign(self.param):
            if foreign.hint:
                self.add("note", f"{foreign.name} ({foreign.forks}) changes no numbers here; ignored", *foreign.path)
            else:
                what = f"{foreign.name}: {foreign.word}" if foreign.word else foreign.name
                self.add(
                    "error",
                    f"{what} belongs to the fork(s) {foreign.forks}, and this solver does not know it: it would be"
                    " ignored. Remove it if the training does not depend on it.",
                    *foreign.path,
                )

    def rule(self) -> None:
        """Let the update rule check the options that it is given."""
        if self.param.type not in registry.solvers:
            self.add("error", registry.solvers.unknown(self.param.type), "type")
            return
        rule = object.__new__(registry.solvers[self.param.type])
        rule.param = self.param
        self.attempt(rule.check)

    def files(self) -> None:
        """Note files and folders that training needs and that are not there."""
        folder = os.path.dirname(self.document.filename)
        for index, names in enumerate(self.param.weights):
            for name in names.split(","):
                if not os.path.exists(resolve(name.strip(), folder)):
                    self.add("note", missing(name.strip(), "weights"), "weights", index)
        into = os.path.dirname(self.param.snapshot_prefix)
        if into and not os.path.isdir(into):
            self.add(
                "note", f"the folder {into} for snapshots is not there; make it before training", "snapshot_prefix"
            )

    def nets(self, nets: list[tuple[str, Any, int, Any]]) -> None:
        """Check each net in the states that (field, path or message, phase, state) give it."""
        seen: dict[str, list[tuple[int, Any]]] = {}
        for field, value, phase, state in nets:
            if not isinstance(value, str):
                self.inner(field, value, phase, state)
            elif (phase, state) not in (states := seen.setdefault(value, [])):
                states.append((phase, state))
        for path, states in seen.items():
            file = resolve(path, os.path.dirname(self.document.filename))
            if not os.path.isfile(file):
                self.add("error", missing(path, "net"), *self.naming(path))
                continue
            problems: list[ParseError] = []
            document = read(file, message_class("NetParameter"), problems)
            merged = [definition.merged_state(document.message, phase, state) for phase, state in states]
            check_net(document, problems, merged, self.report)

    def naming(self, path: str) -> tuple[str | int, ...]:
        """The field that names a net."""
        for field in ("net", "train_net"):
            if getattr(self.param, field) == path:
                return (field,)
        return ("test_net", list(self.param.test_net).index(path))

    def inner(self, field: str, value: Any, phase: int, state: Any) -> None:
        """Check a net that is written inside the solver."""
        index = list(self.param.test_net_param).index(value) if field == "test_net_param" else 0
        message = type(value)()
        message.CopyFrom(value)
        document = self.document.part(message, field, index)
        check_net(document, [], [definition.merged_state(value, phase, state)], self.report)

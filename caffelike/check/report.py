"""What a check found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from caffelike.layer import Shape

Place = tuple[str, int, int]  # file, line and column from 1

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing.

    level: "error": the definition cannot be used as it is; "warning": it can, but hardly does what is meant; "note":
    what could not be checked, or has no effect. file, line, column (from 1): where it stands. layer: its name, or "".
    phase: "TRAIN" or "TEST" if the net of that phase alone has it, else "". message: what was expected, what came,
    and the cure.
    """

    level: str
    file: str
    line: int
    column: int
    layer: str
    phase: str
    message: str

    def __str__(self) -> str:
        """As compilers print it: file:line:column: level: layer: message."""
        layer = f"layer '{self.layer}': " if self.layer else ""
        phase = f" [{self.phase}]" if self.phase else ""
        return f"{self.file}:{self.line}:{self.column}: {self.level}: {layer}{self.message}{phase}"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain strings and numbers."""
        return asdict(self)


class Report:
    """Collects problems; one that several phases have is one problem.

    inputs: shapes by blob name that replace layers; unused: those that no net had a place for.
    """

    def __init__(self, inputs: Mapping[str, Shape]):
        self.inputs = inputs
        self.unused = set(inputs)
        self._found: dict[tuple, set[str]] = {}
        self._files: list[str] = []
        self._phases: dict[str, set[str]] = {}

    def start(self, file: str, phase: str) -> None:
        """Say that the net of a file is checked in a phase."""
        self._phases.setdefault(file, set()).add(phase)

    def add(self, level: str, place: Place, message: str, layer: str = "", phase: str = "") -> None:
        """Note a problem; phase: in which it showed, "" when it belongs to none."""
        if place[0] not in self._files:
            self._files.append(place[0])
        message = message.removesuffix(".")
        self._found.setdefault((level, place, layer, message), set()).add(phase)

    def problems(self) -> list[Problem]:
        """All problems, file by file in the order of their lines."""
        found = []
        for (level, (file, line, column), layer, message), phases in self._found.items():
            only = next(iter(phases)) if len(phases) == 1 and len(self._phases.get(file, ())) > 1 else ""
            found.append(Problem(level, file, line, column, layer, only, message))
        return sorted(found, key=lambda p: (self._files.index(p.file), p.line, p.column, _ORDER.index(p.level)))

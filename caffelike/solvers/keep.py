"""Keeping only the last snapshots of a run: `keep_snapshots`."""

from pathlib import Path
from typing import Any

from caffelike.solvers.listener import Listener

# The state goes first: where one stands, the rest does too.
_PARTS = (
    *(".solverstate", ".solverstate.h5", ".caffelike-state", ".caffemodel", ".caffemodel.h5"),
    *("_average.caffemodel", "_average.caffemodel.h5"),
)


class KeepLast(Listener):
    """Removes this run's older snapshots when a new one is complete; what other runs wrote is never touched."""

    looks_at_gradients = False

    def __init__(self, solver: Any):
        self._stems: list[str] = []

    def before_snapshot(self, solver: Any, stem: str) -> None:
        """Remember the snapshot, so that its own side file lists it."""
        self._stems = [known for known in self._stems if known != stem] + [stem]

    def after_snapshot(self, solver: Any, stem: str) -> None:
        """Remove all but the last."""
        keep = solver.param.keep_snapshots
        for old in self._stems[:-keep]:
            for part in _PARTS:
                Path(old + part).unlink(missing_ok=True)
        self._stems = self._stems[-keep:]

    def state(self) -> dict[str, Any]:
        """The snapshots of this run that are on disk."""
        return {"stems": self._stems}

    def restore(self, state: dict[str, Any]) -> None:
        """Count the snapshots that an earlier part of the run wrote."""
        self._stems = list(state.get("stems", []))

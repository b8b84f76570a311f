"""What watches a training run from the command line: the progress line, the table, TensorBoard."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from caffelike.solvers.listener import Listener


class ProgressLine(Listener):
    """Keeps the progress line's text: loss, learning rate, and the first test net's last score (its first output)."""

    looks_at_gradients = False

    def __init__(self, solver: Any, show: Callable[..., None]):
        self._score, self._from = "", solver.iter
        solver.listeners.append(self)
        solver.add_callback(lambda: show(solver.iter, lambda: self._text(solver)))

    def on_test(self, solver: Any, index: int, scores: dict[str, np.ndarray]) -> None:
        """Remember the score."""
        for name, array in scores.items():
            if not index and array.size == 1:
                self._score = f" test {name} {array.item():.4g}"
                return

    def _text(self, solver: Any) -> str:
        if solver.iter == self._from:
            return self._score.strip()  # no loss yet, no rate
        return f"loss {solver.smoothed_loss:.3g} lr {solver.lr:.2g}{self._score}"


def record(solver: Any, csv: str, tensorboard: str) -> ExitStack:
    """Write the run into a table and an event file, where given; the block that is returned closes them."""
    with ExitStack() as stack:
        if csv:
            from caffelike.tools.curves import CsvCurves

            solver.listeners.append(stack.enter_context(closing(CsvCurves(solver, csv))))
        if tensorboard:
            from caffelike.tools.tensorboard import TensorBoard

            solver.listeners.append(stack.enter_context(closing(TensorBoard(tensorboard))))
        return stack.pop_all()

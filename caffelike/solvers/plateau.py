"""lr_policy "plateau": the rate falls when the loss stays where it is. As in the SSD and Intel forks."""

from typing import Any

from caffelike import log
from caffelike.solvers.listener import Listener


class Plateau(Listener):
    """Takes a step down (rate = base_lr * gamma^step) when the smoothed loss has stayed above its minimum too long.

    plateau_winsize: so many iterations for the first step, the second, ...; they count from the last new minimum or
    step. After the last one the rate stays.
    """

    looks_at_gradients = False

    def __init__(self, solver: Any):
        self._minimum = float("inf")
        self._last_event = 0

    def before_update(self, solver: Any) -> None:
        """Take this iteration's loss into account."""
        p, iteration = solver.param, solver.iter
        if iteration < p.warmup_iter:
            return
        if solver.smoothed_loss < self._minimum:
            self._minimum, self._last_event = solver.smoothed_loss, iteration
        step = solver.current_step
        if step < len(p.plateau_winsize) and iteration >= self._last_event + p.plateau_winsize[step]:
            solver.current_step, self._last_event = step + 1, iteration
            log.info("sgd_solver.cpp:67", f"Plateau Status: Iteration {iteration}, step = {step + 1}")
        if p.display and iteration % p.display == 0 and self._last_event > iteration - p.display:
            text = f"Plateau Status: Iteration {iteration}, current minimum_loss = {log.number(self._minimum)}"
            log.info("sgd_solver.cpp:74", text)

    def state(self) -> dict[str, Any]:
        """The minimum and when something last happened."""
        return {"minimum": self._minimum, "last_event": self._last_event}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._minimum = float(state.get("minimum", "inf"))
        self._last_event = state.get("last_event", 0)

"""The best score so far: `keep_best` writes the weights that reached it, `early_stop` ends a run that stays below."""

import math
import os
from functools import partial
from typing import Any

import numpy as np

from caffelike import log
from caffelike.errors import FileError, SolverError
from caffelike.files import atomic_path
from caffelike.solvers.listener import Listener


class Best(Listener):
    """Watches the score of the first test net.

    value, iteration: of the best test so far (None, 0 before the first). NaN is never best.
    Raises SolverError when there is no such output.
    """

    looks_at_gradients = False

    def __init__(self, solver: Any):
        p = solver.param
        if p.keep_best and not p.snapshot_prefix:
            raise SolverError('keep_best needs a place for the weights: snapshot_prefix: "folder/name".')
        self._net = solver.test_nets[0]
        self._name = p.score or _default_score(self._net)
        if self._name not in self._net.outputs:
            listed = ", ".join(self._net.outputs) or "none"
            raise SolverError(f"score: the first test net has no output '{self._name}'; its outputs are {listed}.")
        falls = p.score_mode == "min" or (not p.score_mode and self._net.blob_loss_weights[self._name] != 0)
        self._sign = -1 if falls else 1
        self.value: float | None = None
        self.iteration = 0
        self._tests_since = 0

    def on_test(self, solver: Any, index: int, scores: dict[str, np.ndarray]) -> None:
        """Compare with the best so far."""
        if index:
            return
        score = float(np.mean(scores[self._name]))
        if not math.isnan(score) and (self.value is None or self._sign * score > self._sign * self.value):
            self.value, self.iteration, self._tests_since = score, solver.iter, 0
            if solver.param.keep_best:
                solver.ranks.once(partial(self._keep, solver))
            return
        self._tests_since += 1
        if solver.param.early_stop and self._tests_since >= solver.param.early_stop:
            best = "no test had a number for it" if self.value is None else f"the best was {log.number(self.value)}"
            log.info(
                "solver.cpp:270",
                f"Early stop: {self._name} has not improved in {self._tests_since} tests; {best}, at iteration"
                f" {self.iteration}.",
            )
            solver.stop()

    def _keep(self, solver: Any) -> None:
        hdf5 = solver.param.snapshot_format == solver.param.HDF5
        path = f"{solver.param.snapshot_prefix}_best.caffemodel{'.h5' if hdf5 else ''}"
        text = f"Snapshotting to {'HDF5' if hdf5 else 'binary proto'} file {path} ({self._name} = {self.value:g})"
        log.info("solver.cpp:474" if hdf5 else "solver.cpp:464", text)
        try:
            with solver.tested_weights(), atomic_path(path) as temporary:
                (solver.net.save_hdf5 if hdf5 else solver.net.save)(os.fspath(temporary))
        except FileError as error:
            log.error("solver.cpp:464", f"The best weights are not kept, training goes on. {error}")

    def state(self) -> dict[str, Any]:
        """The best so far and the tests since."""
        return {"value": self.value, "iteration": self.iteration, "tests_since": self._tests_since}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on comparing with what an earlier part of the run reached."""
        self.value, self.iteration = state.get("value"), state.get("iteration", 0)
        self._tests_since = state.get("tests_since", 0)


def _default_score(net: Any) -> str:
    """The output of an Accuracy layer, else the first that is a loss."""
    by_type = [top for node in net._nodes if node.layer.type == "Accuracy" for top in node.top_names]
    losses = [name for name in net.outputs if net.blob_loss_weights[name]]
    found = [name for name in (*by_type, *losses) if name in net.outputs]
    if not found:
        raise SolverError("keep_best and early_stop need a score: name an output of the first test net with score.")
    return found[0]

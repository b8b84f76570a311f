"""Averaging the weights over the run: `average_decay`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from caffelike.files import atomic_path
from caffelike.solvers.listener import Listener

_CHUNK = 1 << 16  # elements at a time: they stay in the cache


class WeightAverage(Listener):
    """Keeps a = d * a + (1 - d) * w, all weights w of a solver after each update.

    d is the smaller of average_decay and (1 + n) / (10 + n) after n updates, so that the first weights are soon
    forgotten. The averaged weights are those that test nets see, and are written beside each snapshot as
    `<prefix>_iter_N_average.caffemodel`; training goes on with the others.
    """

    looks_at_gradients = False

    def __init__(self, solver: Any):
        self._net = solver.net
        self._decay = solver.param.average_decay
        self._hdf5 = solver.param.snapshot_format == solver.param.HDF5
        self._updates = 0
        self._average = self._net.arena_data.copy()
        self._shown = False

    @contextmanager
    def shown(self, wanted: bool) -> Iterator[None]:
        """Within the block the net holds the averaged weights (True) or the trained ones (False)."""
        if self._shown == wanted:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        arena = self._net.arena_data
        for start in range(0, arena.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            kept = arena[part].copy()
            arena[part] = self._average[part]
            self._average[part] = kept
        for own in self._net.learnable:
            own.blob.data_storage.wrote()
        self._shown = not self._shown

    def after_update(self, solver: Any) -> None:
        """Take the new weights into the average."""
        self._updates += 1
        rest = np.float32(1 - min(self._decay, (1 + self._updates) / (10 + self._updates)))
        arena = self._net.arena_data
        for start in range(0, arena.size, _CHUNK):
            part = self._average[start : start + _CHUNK]
            part += rest * (arena[start : start + _CHUNK] - part)

    def before_snapshot(self, solver: Any, stem: str) -> None:
        """Write the averaged weights."""
        tail = ".h5" if self._hdf5 else ""
        with self.shown(True), atomic_path(f"{stem}_average.caffemodel{tail}") as path:
            (self._net.save_hdf5 if self._hdf5 else self._net.save)(os.fspath(path))

    def state(self) -> dict[str, Any]:
        """The number of updates and the average."""
        return {"updates": self._updates, "average": self._average}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on averaging; without a state, from the weights just restored."""
        self._updates = state.get("updates", 0)
        self._average[...] = state.get("average", self._net.arena_data)

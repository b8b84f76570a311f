"""Mends Numba's CUDA simulator where its threads differ from a GPU's, or are slow; only door.py imports it.

- Infinities and NaN are values like others, not warnings.
- Shared memory: two threads that ask for it at once must get the same.
- A block is told when a thread waits or ends; it does not keep asking, which took most of the time.
"""

import queue
import sys
import threading
from typing import Any

import numpy as np
from numba.cuda.simulator import kernel, kernelapi

_lock = threading.Lock()


class _Thread(kernel.BlockThread):
    def run(self) -> None:
        try:
            with np.errstate(all="ignore"):
                super().run()
        finally:
            self._manager.news.put((self, True))

    def syncthreads(self) -> None:
        """Wait for the block's other threads."""
        if not self.abort:
            self._manager.news.put((self, False))
            self.syncthreads_event.wait()
            self.syncthreads_event.clear()
        if self.abort:
            raise RuntimeError("another thread of the block failed")


class _Block(kernel.BlockManager):
    def run(self, grid_point: Any, *args: Any) -> None:
        """Run all threads to their ends; those that wait go on together."""
        self.news: queue.SimpleQueue[tuple[_Thread, bool]] = queue.SimpleQueue()
        threads = [
            _Thread(lambda: self._f(*args), self, grid_point, point, self._debug)
            for point in np.ndindex(*self._block_dim)
        ]
        for thread in threads:
            thread.start()
        live, waiting = len(threads), []
        while live:
            thread, ended = self.news.get()
            if not ended:
                waiting.append(thread)
            else:
                live -= 1
            if thread.exception:
                for other in threads:
                    other.abort = True
                    other.syncthreads_event.set()
                raise thread.exception[0].with_traceback(thread.exception[1])
            if len(waiting) == live:
                for other in waiting:
                    other.syncthreads_event.set()
                waiting = []


class _Shared(kernelapi.FakeCUDAShared):
    def array(self, shape: Any, dtype: Any, alignment: int | None = None) -> np.ndarray:
        """The memory asked for on the caller's line: one array for all threads of a launch."""
        caller = sys._getframe(1)
        place = caller.f_code, caller.f_lineno
        with _lock:
            if place not in self._allocations:
                self._allocations[place] = np.empty(shape, dtype)
            return self._allocations[place]


def mend() -> None:
    """Put these in place."""
    kernel.BlockThread, kernel.BlockManager, kernelapi.FakeCUDAShared = _Thread, _Block, _Shared

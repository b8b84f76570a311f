"""Mends Numba's CUDA simulator where its threads differ from a GPU's; only door.py imports it, when it is on.

- Infinities and NaN are values like others, not warnings.
- Shared memory: two threads that ask for it at once must get the same.
- Its threads wait for each other in loops, so they take turns often.
"""

import sys
import threading
from typing import Any

import numpy as np
from numba.cuda.simulator import kernel, kernelapi

_lock = threading.Lock()


class _Thread(kernel.BlockThread):
    def run(self) -> None:
        with np.errstate(all="ignore"):
            super().run()


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
    kernel.BlockThread, kernelapi.FakeCUDAShared = _Thread, _Shared
    sys.setswitchinterval(1e-5)

"""What else pycaffe's modules `pycaffe` and `_caffe` hold: the timer, the numbers of a solver, NCCL, its vectors."""

import threading
import time
from typing import Any

from caffelike.data.shard import set_shard
from caffelike.errors import CaffelikeError
from caffelike.layers.python import BlobVector

BlobVec = BlobVector
# pycaffe wraps C++ vectors; here they are lists.
RawBlobVec = LayerVec = NetVec = StringVec = IntVec = DtypeVec = BoolVec = list

__all__ = [
    *("NCCL", "BlobVec", "BoolVec", "DtypeVec", "IntVec", "LayerVec", "NetVec", "RawBlobVec", "StringVec", "Timer"),
    *("has_nccl", "set_multiprocess", "set_solver_count", "set_solver_rank", "solver_count"),
    "solver_rank",
]

_local = threading.local()


class Timer:
    """A stop-watch: start(), stop(), then `ms`, the milliseconds between them (until now while it runs)."""

    def __init__(self) -> None:
        self._started = self._stopped = 0.0
        self._running = False

    def start(self) -> None:
        """Start it anew."""
        self._started, self._running = time.perf_counter(), True

    def stop(self) -> None:
        """Stop it."""
        if self._running:
            self._stopped, self._running = time.perf_counter(), False

    @property
    def ms(self) -> float:
        """Milliseconds measured; 0 before the first start."""
        return ((time.perf_counter() if self._running else self._stopped) - self._started) * 1000


def solver_count() -> int:
    """How many solvers train together, as this thread was told; 1 at first."""
    return getattr(_local, "count", 1)


def set_solver_count(count: int) -> None:
    """Say how many train together: data layers that this thread then builds deliver their share of the records."""
    _share(solver_rank(), count)


def solver_rank() -> int:
    """The number of this thread's solver, from 0."""
    return getattr(_local, "rank", 0)


def set_solver_rank(rank: int) -> None:
    """Say which of `solver_count()` solvers this thread has, after set_solver_count."""
    _share(rank, solver_count())


def _share(rank: int, count: int) -> None:
    set_shard(rank, count)
    _local.rank, _local.count = rank, count


def set_multiprocess(val: bool) -> None:
    """Nothing changes: in Caffe it lets Python layers take part in training by several processes; here they may."""


def has_nccl() -> bool:
    """Whether NCCL, NVIDIA's library for several GPUs, can be used: it cannot."""
    return False


class NCCL:
    """Stands where pycaffe's gradient exchange between GPUs stands; making one raises CaffelikeError."""

    def __init__(self, solver: Any = None, uid: bytes = b""):
        raise self._missing()

    @staticmethod
    def new_uid() -> bytes:
        """Raise, as making an NCCL does."""
        raise NCCL._missing()

    @staticmethod
    def _missing() -> CaffelikeError:
        return CaffelikeError(
            "NCCL exchanges gradients between GPUs; caffelike trains on one GPU, or on the CPU with all its cores. Ask"
            " has_nccl() first, and without it train with one solver; on several CPUs `mpirun -n 2 caffelike train"
            " SOLVER` does the exchange (docs/parallel.md)."
        )

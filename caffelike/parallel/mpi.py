"""The only door to MPI: is this process one of several, and what do they tell each other?"""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from caffelike import log, rng
from caffelike.data.shard import set_shard
from caffelike.errors import CaffelikeError
from caffelike.parallel import buckets
from caffelike.parallel.shared import SharedMemory
from caffelike.solvers.ranks import Ranks

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

T = TypeVar("T")

PIP = 'pip install "caffelike[mpi]"'

# What mpirun of Open MPI, MPICH (and Slurm's srun with PMI) leave in the environment of the processes they start.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")

_REQUESTS = (None, "snapshot", "stop")  # in rising order of weight


def started_by_mpi() -> bool:
    """Whether mpirun or mpiexec started this process as one of several."""
    return any(os.environ.get(name, "1") not in ("", "0", "1") for name in _SIZES)


def load() -> Any:
    """mpi4py's MPI module. Raises CaffelikeError, with the line that installs it, when it is missing."""
    os.environ.setdefault("OMPI_MCA_osc", "^ucx")  # of no use here, and it complains where there is no such network
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise CaffelikeError(f"Training on several ranks needs mpi4py and an MPI ({error}): {PIP}") from None
    return MPI


@contextmanager
def world() -> Iterator["MpiRanks | Ranks"]:
    """All processes that mpirun started, or this one alone.

    Within the block data layers deliver this rank's share, and all ranks have the same random seed. An error on one
    rank ends all of them at once: the others wait in the middle of an exchange and could not go on.
    """
    if not started_by_mpi():
        yield Ranks()
        return
    ranks = MpiRanks(load().COMM_WORLD)
    ranks.prepare()
    try:
        yield ranks
    except BaseException as error:
        ranks.abort(error)
        raise
    finally:
        set_shard(0, 1)


class MpiRanks(Ranks):
    """The ranks of an MPI communicator."""

    def __init__(self, comm: "Comm", least: int = buckets.LEAST):
        """least: bytes of a bucket of gradients."""
        self._mpi = load()
        self._comm = comm
        self._gradients_comm = comm.Dup()  # gradients travel on a thread of their own
        self._least = least
        self.rank, self.size = comm.rank, comm.size
        self.bytes = 0
        """Bytes of gradients that this rank gave to be summed so far."""
        self._sum: _Sum | None = None
        self._shared: dict[Any, SharedMemory] = {}  # by net
        self._now: SharedMemory | None = None

    def prepare(self) -> None:
        """Before a solver is built: this rank's share of the data, one seed for all, one voice in the log."""
        rng.set_random_seed(self._comm.bcast(int.from_bytes(os.urandom(7), "little") if self.rank == 0 else None))
        set_shard(self.rank, self.size, tests=True)
        if self.rank:
            log.quiet()

    def join(self, solver: Any) -> None:
        """Let a solver that every rank has built train together with the others' from now on."""
        shapes = [(own.layer, own.index, own.blob.shape) for own in solver.net.learnable]
        if any(other != shapes for other in self._comm.allgather(shapes)):
            raise CaffelikeError("The ranks have built different nets. Give all the same solver and the same files.")
        super().join(solver)
        self._now = SharedMemory.open(self._comm, self._mpi, solver)
        if self._now is not None:
            self._shared[solver.net] = self._now
        self.start(solver)
        log.logger.info("Training on %d ranks.", self.size)

    def start(self, solver: Any) -> None:
        """Rank 0's weights and history on every rank; random numbers of dropout and the like that differ."""
        shared = solver.net in self._shared
        for array in (solver.net.arena_data, *(() if shared else solver.history)):
            for part in _pieces(array):
                self._comm.Bcast(part)
        for own in solver.net.learnable:
            own.blob.data_storage.wrote()
        for node in solver.net._nodes:
            if node.key is not None:
                node.key[0] ^= np.uint64(self.rank << 48)

    # What the solver asks, see Ranks -----------------------------------------------------------

    def listen(self, net: Any) -> None:
        """From now on give the gradients of `net` away as soon as their layers' backward has run.

        On one machine they stay where they are, for the others to read.
        """
        self._now = self._shared.get(net)
        if self._now is not None:
            return
        if self._sum is None or self._sum.net is not net:
            self._sum = _Sum(self._gradients_comm, self._mpi, net, self._least)
        self._sum.start()
        net.on_layer_done(self._sum.layer_done)

    def gradients(self, whole: bool = True) -> None:
        """Wait until all gradients are the mean over the ranks, or will be where `updated` needs them."""
        if self._now is not None:
            self._now.gradients(whole)
            self.bytes += self._now.nbytes
            return
        assert self._sum is not None
        self._sum.net.on_layer_done(None)
        self._sum.finish()
        self.bytes += self._sum.net.arena_diff.nbytes

    def updated(self, parts: Sequence[tuple]) -> Iterator[tuple]:
        """All parameters, or on one machine the pieces of this rank's share."""
        yield from self._now.updated(parts) if self._now is not None else parts

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of an array over all ranks, in double precision."""
        total = np.array(values, np.float64)
        self._comm.Allreduce(self._mpi.IN_PLACE, total)
        return total / self.size

    def agree(self, request: str | None) -> str | None:
        """The weightiest request of all ranks."""
        found = np.array(_REQUESTS.index(request))
        self._comm.Allreduce(self._mpi.IN_PLACE, found, op=self._mpi.MAX)
        return _REQUESTS[int(found)]

    def once(self, function: Callable[[], T]) -> T:
        """Rank 0 calls the function; its result or its error comes to all."""
        result: Any = None
        if self.rank == 0:
            try:
                result = True, function()
            except Exception as error:
                result = False, error
        good, found = self._comm.bcast(result)
        if not good:
            raise found
        return found

    def abort(self, error: BaseException) -> None:
        """Say which rank failed and why, and end all ranks."""
        if isinstance(error, SystemExit) and not error.code:
            return
        text = str(error) if isinstance(error, CaffelikeError) else traceback.format_exc()
        sys.stderr.write(f"caffelike: error: rank {self.rank} of {self.size}: {text}\n")
        sys.stderr.flush()
        self._comm.Abort(1)


class _Sum:
    """Sums the gradients of a net over the ranks, bucket by bucket, on a thread, while backward goes on."""

    def __init__(self, comm: "Comm", mpi: Any, net: Any, least: int):
        self.net = net
        self._comm, self._mpi = comm, mpi
        self._buckets = buckets.cut(net, least)
        self._next = 0
        self._waiting: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
        self._done = threading.Semaphore(0)
        self._error: BaseException | None = None
        threading.Thread(target=self._work, daemon=True, name="caffelike-gradients").start()

    def start(self) -> None:
        """A backward pass begins."""
        self._next = 0

    def layer_done(self, index: int) -> None:
        """The backward of layer `index` has run, and of all after it."""
        while self._next < len(self._buckets) and self._buckets[self._next].ready >= index:
            _, start, end = self._buckets[self._next]
            self._waiting.put(self.net.arena_diff[start:end])
            self._next += 1

    def finish(self) -> None:
        """Wait for all buckets. Raises what went wrong on the thread."""
        self.layer_done(-1)
        for _ in self._buckets:
            self._done.acquire()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        share = np.float32(1 / self._comm.size)
        while (part := self._waiting.get()) is not None:
            try:
                if self._error is None:
                    self._comm.Allreduce(self._mpi.IN_PLACE, part)
                    part *= share
            except BaseException as error:
                self._error = error
            self._done.release()


def _pieces(array: np.ndarray, most: int = 1 << 28) -> Iterator[np.ndarray]:
    """Views of a 1-D array of at most `most` numbers: MPI counts with 32 bits."""
    for start in range(0, max(1, array.size), most):
        yield array[start : start + most]

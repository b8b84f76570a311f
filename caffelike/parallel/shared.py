"""Ranks on one machine: gradients are summed, and weights handed out, in memory that all of them see.

Nothing is sent. Each rank owns a share of all parameters: it adds up everybody's gradients of them, updates them, and
writes the new weights to everybody, piece by piece, while the piece is in its cache. So no rank updates more than its
share, and the traffic of memory, which the cores of a machine have in common, is least.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffelike import device, log
from caffelike.blob import aligned_zeros
from caffelike.errors import CaffelikeError
from caffelike.parallel import exchange

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

_PIECE = 1 << 17  # numbers: weights, histories and gradients of a piece stay in the caches
_ALIGN = 16  # numbers: a cache line
_FOLDER = Path("/dev/shm")
"""Where Linux keeps memory that processes share."""


class SharedMemory:
    """The arenas of a solver's net on all ranks of one machine; `open` makes it where that is possible.

    Every rank has its own weights and gradients, as if it had been alone, but the others can reach them. There is one
    history, of which each rank keeps its share up to date.
    """

    @classmethod
    def open(cls, comm: "Comm", mpi: Any, solver: Any) -> "SharedMemory | None":
        """Move the arenas of a solver, that every rank has built, into shared memory; None where that cannot be.

        It cannot if ranks are on several machines, on a GPU, or somebody holds a parameter's array, or there is too
        little shared memory (containers often have 64 MB).
        """
        net = solver.net
        storages = [storage for own in net.learnable for storage in (own.blob.data_storage, own.blob.diff_storage)]
        here = comm.Split_type(mpi.COMM_TYPE_SHARED)
        count = net.arena_data.size
        held = any(storage.held for storage in storages)
        able = here.size == comm.size and net.device == device.CPU and count > 0 and not held
        here.Free()
        needed = 4 * count * (2 * comm.size + len(solver.history))
        if able and comm.rank == 0 and _FOLDER.exists() and shutil.disk_usage(_FOLDER).free < needed + (1 << 24):
            able = False
            log.logger.info(
                "Ranks send gradients as messages: %s has less than the %d MB that sharing them takes (Docker:"
                " --shm-size).", _FOLDER, needed >> 20,
            )  # fmt: skip
        return cls(comm, mpi, solver) if comm.allreduce(able, op=mpi.LAND) else None

    def __init__(self, comm: "Comm", mpi: Any, solver: Any):
        self._comm, self._net = comm, solver.net
        ranks, histories, count = comm.size, len(solver.history), solver.net.arena_data.size
        size = 4 * count * (2 * ranks + histories)
        self._window = mpi.Win.Allocate_shared(size if comm.rank == 0 else 0, 4, comm=comm)
        self._window.Lock_all()
        rows = np.frombuffer(self._window.Shared_query(0)[0], np.float32, size // 4).reshape(-1, count)
        self._weights, self._gradients, self._history = rows[:ranks], rows[ranks : 2 * ranks], rows[2 * ranks :]
        solver.net.move_parameters(self._weights[comm.rank], self._gradients[comm.rank])
        for net in solver.test_nets:
            net.rebind()
        if comm.rank == 0:
            self._history[...] = solver.history
        self._meet()
        solver.keep_history_in(self._history)
        line = count // _ALIGN
        self._share = range(line * comm.rank // ranks * _ALIGN, line * (comm.rank + 1) // ranks * _ALIGN)
        self._piece = aligned_zeros(_PIECE)
        self._whole = False
        self.nbytes = 4 * count
        """Bytes of a rank's gradients."""
        self._mean, self._give = exchange.fast("mean"), exchange.fast("give")

    def gradients(self, whole: bool) -> None:
        """Backward has run. whole: make every rank's gradients the mean over all now, and later the update.

        Else they stay its own: `updated` has the mean elsewhere, piece by piece, and it never leaves the caches.
        """
        if self._net.device != device.CPU:
            raise CaffelikeError("The net went to the GPU after its ranks were joined. Choose the device before.")
        self._whole = whole
        if whole:
            self._meet()
            start, end = self._share.start, self._share.stop
            self._mean(self._gradients, start, end, self._gradients[self._comm.rank, start:end])
            self._give(self._gradients, self._comm.rank, start, end)
            self._meet()

    def updated(self, parts: Sequence[tuple]) -> Iterator[tuple]:
        """The pieces of this rank's share, for a solver to update one after the other; see `Ranks.updated`."""
        rank, share = self._comm.rank, self._share
        self._meet()  # all gradients are there
        for own, (blob, weight, diff, history, lr_mult, decay_mult) in zip(self._net.learnable, parts, strict=True):
            last = min(own.offset + own.count, share.stop)
            for start in range(max(own.offset, share.start), last, _PIECE):
                end = min(start + _PIECE, last)
                piece = slice(start - own.offset, end - own.offset)
                gradient = diff[piece] if self._whole else self._piece[: end - start]
                if not self._whole:
                    self._mean(self._gradients, start, end, gradient)
                yield blob, weight[piece], gradient, [array[piece] for array in history], lr_mult, decay_mult
                if lr_mult:  # else it stays as it is; running statistics of normalisations are each rank's own
                    self._give(self._weights, rank, start, end)
                if self._whole:
                    self._give(self._gradients, rank, start, end)
        self._meet()  # all weights are there, and nobody needs this rank's gradients any more
        for blob, *_ in parts:
            blob.data_storage.wrote()

    def _meet(self) -> None:
        """Wait until all ranks are here; what they wrote before can be read after."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()

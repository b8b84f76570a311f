"""Batches made ahead: a thread prepares the next ones while the net works on this one."""

import queue
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from caffelike.blob import aligned_zeros
from caffelike.errors import DataError

Position = dict[str, Any]
"""Where a producer stands: plain numbers and strings, so that a snapshot can hold it."""


_NAME = "caffelike-prefetch"


class Slot:
    """Memory for one batch, used again and again."""

    def __init__(self) -> None:
        self._memory: dict[int, np.ndarray] = {}

    def array(self, index: int, shape: tuple[int, ...]) -> np.ndarray:
        """The `index`-th array of the batch, float32, of any contents."""
        count = int(np.prod(shape, dtype=np.int64))
        memory = self._memory.get(index)
        if memory is None or memory.size < count:
            memory = self._memory[index] = aligned_zeros(count)
        return memory[:count].reshape(shape)


@dataclass
class Batch:
    """One batch: an array for each top, the records' names, the position after it, (source, text) lines to log."""

    arrays: list[np.ndarray]
    keys: list[str]
    position: Position = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)


class Producer(Protocol):
    """What makes batches. One thread at a time calls it."""

    position: Position

    def seek(self, position: Position) -> None:
        """Go on at `position`, an earlier value of the attribute of that name."""

    def produce(self, slot: Slot) -> Batch:
        """The next batch, in arrays of `slot`."""

    def close(self) -> None:
        """Let go of files."""


class Prefetcher:
    """Delivers a producer's batches in order.

    depth: how many batches are made ahead (0: none, without a thread). The thread starts with the first `next`.
    position: after the last batch that was delivered, however many are ready.
    """

    def __init__(self, producer: Producer, depth: int):
        self._producer, self._depth = producer, depth
        self.position: Position = dict(producer.position)
        self._thread: threading.Thread | None = None
        self._halt = threading.Event()
        self._closed = False
        self._fresh_queues()

    def _fresh_queues(self) -> None:
        self._slots: list[Slot] = [Slot() for _ in range(self._depth + 1)]
        self._ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[Slot | None] = queue.SimpleQueue()
        for slot in self._slots[1:]:
            self._free.put(slot)
        self._spare = self._slots[0]

    def next(self) -> Batch:
        """The next batch; its arrays are valid until the following call.

        Raises what the producer raised, at the batch where it happened.
        """
        if self._closed:
            raise DataError("The net was closed; it cannot read data any more.")
        batch = self._take() if self._depth else self._producer.produce(self._spare)
        self.position = batch.position
        return batch

    def _take(self) -> Batch:
        if self._thread is None:
            self._thread = threading.Thread(
                target=_work,
                args=(self._producer, self._free, self._ready, self._halt),
                name=_NAME,
                daemon=True,
            )
            self._thread.start()
        self._free.put(self._spare)  # the batch delivered last is done with
        while True:
            try:
                slot, batch = self._ready.get(timeout=1.0)
                break
            except queue.Empty:
                if not self._thread.is_alive():
                    raise DataError(
                        "The thread that prepares batches is gone: the process was forked. Make the net in the process"
                        " that uses it."
                    ) from None
        if isinstance(batch, BaseException):
            self._stop()
            self._producer.seek(self.position)
            raise batch
        self._spare = slot
        return batch

    def seek(self, position: Position) -> None:
        """Let the next batch start at `position`; what was made ahead is dropped."""
        self._stop()
        self._producer.seek(position)
        self.position = dict(position)

    def _stop(self) -> None:
        if self._thread is not None:
            self._halt.set()
            self._free.put(None)
            self._thread.join()
            self._thread = None
            self._halt.clear()
            self._fresh_queues()

    def close(self) -> None:
        """Stop the thread and close the producer."""
        if not self._closed:
            self._closed = True
            if threading.current_thread().name == _NAME:
                # Garbage was collected on a thread of this kind: two that wait for each other would wait forever.
                threading.Thread(target=self._finish, daemon=True).start()
            else:
                self._finish()

    def _finish(self) -> None:
        self._stop()
        self._producer.close()


def _work(producer: Producer, free: queue.SimpleQueue, ready: queue.SimpleQueue, halt: threading.Event) -> None:
    """The thread: fill free slots until told to stop, or until it cannot go on."""
    while (slot := free.get()) is not None and not halt.is_set():
        try:
            ready.put((slot, producer.produce(slot)))
        except BaseException as error:  # raised again where the batch is asked for
            ready.put((slot, error))
            return

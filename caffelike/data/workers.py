"""Threads that prepare the records of a batch together: decoding and transforming leave the GIL free."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from caffelike.platform import step_back

_MOST = 4  # one thread decodes some thousand small pictures a second; a net needs a few hundred
_NICE = 5  # a kernel waits for the slowest of its threads, and batches are made ahead: let the kernel's go first


def default_threads() -> int:
    """As many as processors this process may use, at most 4."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST, usable)


class Workers:
    """`count` threads, started when first needed (0: `default_threads`)."""

    def __init__(self, count: int = 0):
        self._count = count or default_threads()
        self._pool: ThreadPoolExecutor | None = None

    def run(self, job: Callable[[int], None], start: int, stop: int) -> None:
        """Call job(i) for i = start .. stop - 1, in any order and at the same time.

        Raises what the job of the lowest number raised that failed, after all threads have come to rest.
        """
        if self._count == 1 or stop - start < 2:
            for i in range(start, stop):
                job(i)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._count, "caffelike-decode", step_back, (_NICE,))
        numbers = iter(range(start, stop))  # each thread takes the next one
        errors: dict[int, BaseException] = {}

        def work() -> None:
            for i in numbers:
                if errors:
                    return
                try:
                    job(i)
                except BaseException as error:  # raised again below
                    errors[i] = error

        for future in [self._pool.submit(work) for _ in range(min(self._count, stop - start))]:
            future.result()
        if errors:
            raise errors[min(errors)]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

"""Workers that are processes of this machine."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from caffelike import log
from caffelike.errors import CaffelikeError
from caffelike.predict.shards import Shard
from caffelike.predict.work import Job, Rows, Worker

_worker: Worker | None = None  # of a worker process

RESTARTS = 10
"""How often workers that died are started anew before it is given up."""


def run(job: Job, shards: list[Shard], workers: int) -> Iterator[Rows]:
    """Answers in the order in which shards are done. A worker that dies loses its shard, which another does again.

    workers: processes; they share out the cores. One works in this process. Raises CaffelikeError when workers die
    again and again.
    """
    if workers == 1:
        yield from map(Worker(job), shards)
        return
    job = replace(job, threads=job.threads or max(1, (os.cpu_count() or 1) // workers))
    left = {shard.number: shard for shard in shards}
    for attempt in range(RESTARTS + 1):
        # A forked process would inherit threads that do not run there: each worker starts on its own.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _start, (job,)) as pool:
            try:
                for rows in _results(pool, list(left.values())):
                    del left[rows.number]
                    yield rows
                return
            except BrokenProcessPool:
                log.warning(
                    "local.py:40", f"A worker died; {len(left)} shards are left. Starting again ({attempt + 1})."
                )
    raise CaffelikeError(
        f"Workers died {RESTARTS + 1} times (of memory? fewer --workers or a smaller --batch need less)."
        " What is done is kept: the same command goes on."
    )


def _results(pool: ProcessPoolExecutor, shards: list[Shard]) -> Iterator[Rows]:
    """Keep every worker busy, but no more shards on their way than that takes."""
    waiting = iter(shards)
    running: set[Future[Rows]] = set()
    while True:
        for shard in waiting:
            running.add(pool.submit(_answer, shard))
            if len(running) > 2 * (os.cpu_count() or 1):
                break
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _start(job: Job) -> None:
    global _worker
    _worker = Worker(job)


def _answer(shard: Shard) -> Rows:
    assert _worker is not None
    return _worker(shard)

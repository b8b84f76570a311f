"""Workers on a Ray cluster: the only door to Ray."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from caffelike import log
from caffelike.errors import CaffelikeError
from caffelike.predict.shards import Shard
from caffelike.predict.work import Job, Rows, Worker

PIP = 'pip install "caffelike[ray]"'

RESTARTS = 10
"""How often a worker that died is started anew before it is given up."""


def load() -> Any:
    """The ray module. Raises CaffelikeError, with the line that installs it, when it is missing."""
    try:
        import ray
    except ImportError as error:
        raise CaffelikeError(f"--ray needs Ray ({error}): {PIP}") from None
    return ray


def run(job: Job, shards: list[Shard], workers: int, address: str) -> Iterator[Rows]:
    """Answers in the order in which shards are done, from `workers` actors with a net each.

    address: of the cluster ("auto": the one this machine belongs to); "" starts one on this machine. Pictures and the
    model are read where the workers are, so they lie on a file system that all machines share. A worker that dies
    loses its shard, which another does again.
    """
    ray = load()
    ray.init(
        address=address or None, log_to_driver=False, include_dashboard=False, num_cpus=None if address else workers
    )
    try:
        yield from _run(ray, replace(job, threads=job.threads or 1), shards, workers)
    finally:
        ray.shutdown()


def _run(ray: Any, job: Job, shards: list[Shard], workers: int) -> Iterator[Rows]:
    actor = ray.remote(Worker).options(num_cpus=job.threads)
    waiting = shards[::-1]
    running: dict[Any, tuple[Any, Shard]] = {}
    deaths = 0
    idle = [actor.remote(job) for _ in range(min(workers, len(shards)))]
    while waiting or running:
        while idle and waiting:
            worker, shard = idle.pop(), waiting.pop()
            running[worker.__call__.remote(shard)] = worker, shard
        (done,), _ = ray.wait(list(running), num_returns=1)
        worker, shard = running.pop(done)
        try:
            rows = ray.get(done)
        except ray.exceptions.RayActorError as error:
            deaths += 1
            if deaths > RESTARTS:
                raise CaffelikeError(
                    f"Ray's workers died {deaths} times ({error}). What is done is kept: the same command goes on."
                ) from None
            log.warning("ray_workers.py:60", f"A worker died; shard {shard.number} is done again.")
            waiting.append(shard)
            idle.append(actor.remote(job))
            continue
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, CaffelikeError) else error from None
        idle.append(worker)
        yield rows

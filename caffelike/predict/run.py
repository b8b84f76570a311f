"""The loop that hands out shards and keeps their answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from caffelike.predict import local, ray_workers, results, shards
from caffelike.predict.work import Job


def predict(
    job: Job,
    inputs: Sequence[str],
    target: str,
    workers: int = 1,
    ray: str | None = None,
    size: int = 256,
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Answer all pictures of `inputs` and write the result `target`; returns how many there are.

    inputs: image files, folders, lists (.txt) or LMDBs. target: its ending is the format, see results.KINDS. workers:
    nets that work at once. ray: None: processes of this machine; "": on a Ray that is started here; else the cluster's
    address. size: pictures a shard. tick(done, total): after each shard, in shards.

    A run that was stopped goes on where it was when it is called again with the same arguments. Rows stand in the order
    of the inputs. Raises CaffelikeError for what cannot be used, FileError, WeightsError.
    """
    kind = results.kind_of(target)
    job = replace(job, outputs=kind in (".npy", ".lmdb"))
    found = shards.find(inputs, size)
    parts = results.Parts(target, job, found)
    left = parts.missing(found)
    tick(len(found) - len(left), len(found))
    answers = local.run(job, left, workers) if ray is None else ray_workers.run(job, left, workers, ray)
    done = len(found) - len(left)
    for rows in answers if left else ():
        parts.keep(rows)
        done += 1
        tick(done, len(found))
    count = results.write(target, parts, len(found))
    parts.remove()
    return count

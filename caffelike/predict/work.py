"""What a worker does: load the net once, answer shard after shard."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelike.inference import classify
from caffelike.predict.shards import Shard
from caffelike.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """All that a worker needs: model (a bundle, a prototxt or a known model), weights ("" for a bundle), recipe, top:
    classes a picture; batch: pictures a pass; outputs: keep the output's numbers too; threads: of a worker (0: all).
    """

    model: str
    weights: str
    recipe: Recipe
    top: int = 5
    batch: int = 16
    outputs: bool = False
    threads: int = 0


@dataclass(frozen=True)
class Rows:
    """The answers of a shard. table: one dictionary a picture, in order: name, label_1, class_1, score_1, ..., error.

    outputs: (pictures, ...) of the output's numbers, NaN where there is an error; None unless the job keeps them.
    """

    number: int
    table: list[dict[str, Any]]
    outputs: np.ndarray | None = None


class Worker:
    """A net in this process."""

    def __init__(self, job: Job):
        import caffelike

        if job.threads:
            caffelike.set_num_threads(job.threads)
        if job.weights and os.path.isfile(job.model):
            self._net = caffelike.Net(job.model, caffelike.TEST, weights=job.weights)
        else:
            self._net = caffelike.load(job.model, job.weights or None)
        self._net.share_memory()
        self._job = job

    def __call__(self, shard: Shard) -> Rows:
        """Answer a shard."""
        job = self._job
        answers = list(classify(self._net, shard.pictures(), job.top, job.batch, job.recipe))
        table = []
        for name, answer in zip(shard.names, answers, strict=True):
            row: dict[str, Any] = {"name": name, "error": answer.error}
            for i in range(job.top):
                best = answer.best[i] if i < len(answer.best) else None
                row[f"label_{i + 1}"] = best.label if best else None
                row[f"class_{i + 1}"] = best.name if best else None
                row[f"score_{i + 1}"] = best.score if best else None
            table.append(row)
        return Rows(shard.number, table, _stacked([answer.output for answer in answers]) if job.outputs else None)


def _stacked(outputs: list[np.ndarray | None]) -> np.ndarray:
    """All outputs in one array, NaN for those that are missing."""
    shape = next((output.shape for output in outputs if output is not None), (0,))
    blank = np.full(shape, np.nan, np.float32)
    return np.stack([blank if output is None else output for output in outputs])

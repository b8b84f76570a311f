"""What a solver asks of the processes ("ranks") that train one net together; alone, the answers are trivial.

caffelike/parallel/ has the ones that talk to each other. A solver calls, on every rank in the same order: `start`
after a restore, `listen` before the last pass of an iteration, `gradients` after it, `updated` for what it is to
update, `mean` for losses and scores, `agree` for requests, `once` for what only one may do.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Ranks:
    """One process alone: rank 0 of 1."""

    rank = 0
    size = 1

    def join(self, solver: Any) -> None:
        """Let a solver train together with the other ranks' from now on."""
        solver.ranks = self

    def start(self, solver: Any) -> None:
        """The solver's weights and random keys have just been set, from fillers or files: make them as they must be."""

    def listen(self, net: Any) -> None:
        """The next backward pass of `net` is the iteration's last: its gradients may be taken as they become ready."""

    def gradients(self, whole: bool = True) -> None:
        """Backward has run: make every parameter's gradient the mean over all ranks.

        whole: somebody looks at the gradients before the update, or at the update in them afterwards. Else only the
        pieces that `updated` gives need have the mean.
        """

    def updated(self, parts: Sequence[tuple]) -> Iterator[tuple]:
        """What this rank is to update, piece by piece; when it is exhausted, all ranks have all new weights.

        parts, pieces: parameter's blob; weights, gradient, list of histories as 1-D arrays; multipliers of learning
        rate and decay.
        """
        yield from parts

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of an array over all ranks."""
        return values

    def agree(self, request: str | None) -> str | None:
        """The request that one of the ranks has; "stop" wins."""
        return request

    def once(self, function: Callable[[], T]) -> T:
        """Let rank 0 call the function; its result, or its error, on every rank."""
        return function()

    def share(self, count: int) -> int:
        """How many of `count` batches each rank runs: rounded up, so that all run the same number."""
        return -(-count // self.size)

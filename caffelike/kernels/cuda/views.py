"""Arrays read or written in another order: each axis with its own step, which may be 0 (repeated) or negative."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from caffelike.kernels.cuda.door import device, task

Sizes = tuple[int, ...]


def take(x: Any, y: Any, lengths: Sequence[int], steps: Sequence[int], start: int = 0) -> None:
    """y = the numbers of x from `start` on, the steps of each axis that far apart; y has these lengths, in order."""
    _take(y.size, x.reshape(-1), y.reshape(-1), *_plain(lengths, steps), start)


def put(x: Any, y: Any, lengths: Sequence[int], steps: Sequence[int], start: int = 0) -> None:
    """The other way round: the numbers of x, which has these lengths, go to such places of y; the others stay."""
    _put(x.size, x.reshape(-1), y.reshape(-1), *_plain(lengths, steps), start)


def steps_of(shape: Sequence[int]) -> Sizes:
    """How far the steps of each axis of an array lie apart."""
    behind = accumulate([int(n) for n in reversed(shape[1:])], lambda a, b: a * b, initial=1)
    return tuple(behind)[::-1][: len(shape)] if len(shape) else ()


def _plain(lengths: Sequence[int], steps: Sequence[int]) -> tuple[Sizes, Sizes]:
    """Python's integers, and never empty: a kernel's tuples have a length of 1 or more."""
    return (1, *map(int, lengths)), (0, *map(int, steps))


@device
def _at(i, lengths, steps):
    """Where number i lies."""
    at = 0
    for back in range(len(lengths)):
        axis = len(lengths) - 1 - back
        at += i % lengths[axis] * steps[axis]
        i //= lengths[axis]
    return at


@task
def _take(i, x, y, lengths, steps, start):
    y[i] = x[start + _at(i, lengths, steps)]


@task
def _put(i, x, y, lengths, steps, start):
    y[start + _at(i, lengths, steps)] = x[i]

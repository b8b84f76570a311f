"""Arrays one after the other along an axis of a whole: what Concat and Slice share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import task


def join(parts: Sequence[tuple[Any, int]], whole: Any, axis: int, apart: bool) -> None:
    """whole = the parts, given as (array, length along `axis`), one after the other; zeros for None.

    apart: the other way round, the parts are filled from the whole; None is passed over.
    """
    line = int(np.prod(tuple(whole.shape)[axis:], dtype=np.int64))
    outer, start, flat = whole.size // max(1, line), 0, whole.reshape(-1)
    for part, length in parts:
        width = length * (line // max(1, tuple(whole.shape)[axis]))
        if part is None and not apart:
            _clear(outer * width, flat, width, line, start)
        elif part is not None:
            (_take if apart else _put)(outer * width, part.reshape(-1), flat, width, line, start)
        start += width


def lengths(points: Sequence[int], end: int) -> list[int]:
    """The lengths of the parts that meet at `points` of an axis of length `end`."""
    edges = [0, *points, end]
    return [b - a for a, b in pairwise(edges)]


@task
def _put(i, part, whole, width, line, start):
    whole[i // width * line + start + i % width] = part[i]


@task
def _take(i, part, whole, width, line, start):
    part[i] = whole[i // width * line + start + i % width]


@task
def _clear(i, whole, width, line, start):
    whole[i // width * line + start + i % width] = np.float32(0)

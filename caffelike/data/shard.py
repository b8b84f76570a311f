"""Which share of the training records this process (or thread) gets, where several train one net together.

Of the endless stream of records, worker `rank` of `size` gets numbers rank, rank + size, rank + 2 size, ...: the
shares are disjoint and complete, and a record is cropped, mirrored and changed as it would be without sharing.
Test nets read everything, unless their share is asked for too.
"""

import threading
from typing import Any, NamedTuple

from caffelike.errors import DataError
from caffelike.schema import TRAIN

_local = threading.local()


class Shard(NamedTuple):
    """Worker `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def number(self, record: Any) -> Any:
        """The number in the whole stream of this worker's record number `record` (an int, or an array of them)."""
        return record * self.size + self.rank

    def begin(self, taken: int) -> int:
        """This worker's first record when all together have taken `taken` records: where to go on with another size."""
        return -(-taken // self.size)


ALL = Shard()
"""Every record."""


def set_shard(rank: int, size: int, tests: bool = False) -> None:
    """Let the data layers of nets that this thread builds from now on deliver share `rank` of `size` in TRAIN.

    tests: in TEST as well. All workers need the same random seed, or their shuffled orders differ.
    Raises DataError unless 0 <= rank < size.
    """
    if not 0 <= rank < size:
        raise DataError(f"A share's rank is from 0 to size - 1; {rank} of {size} is none.")
    _local.shard, _local.tests = Shard(rank, size), tests


def shard_of(phase: int) -> Shard:
    """The share of a net built now in this thread."""
    return getattr(_local, "shard", ALL) if phase == TRAIN or getattr(_local, "tests", False) else ALL

"""In which order a data layer takes the records of its source: as they stand, or shuffled; all, or a share."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np

from caffelike import rng
from caffelike.data.shard import Shard
from caffelike.data.source import Source

Entry = tuple[Any, Any]  # key and value


class Shuffle:
    """The numbers 0 .. count - 1 over and over, in a new order each time (or as they are).

    The order depends on seed and pass alone, not on the layer: two layers of one net that shuffle as many records
    (pictures here, their labels there) stay in step.
    """

    def __init__(self, count: int, seed: int, shuffled: bool = True):
        self._count, self._shuffled = count, shuffled
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Use another seed from now on."""
        self._seed, self._pass = seed, -1
        self._order = np.arange(self._count)

    def at(self, number: int) -> int:
        """What stands at place `number` of the endless sequence."""
        turn, index = divmod(number, self._count)
        if self._shuffled and turn != self._pass:
            self._pass = turn
            self._order = rng.generator(self._seed, "shuffle", turn).permutation(self._count)
        return int(self._order[index])


def first_record(rand_skip: int, seed: int) -> int:
    """How many records are left out at the start: 0, or a random number below `rand_skip`.

    It depends on the seed alone, not on the layer: pictures here and their labels there stay in step.
    """
    return int(rng.generator(seed, "skip").integers(rand_skip)) if rand_skip else 0


class Order(Protocol):
    """Takes records from a source, one after the other, without end."""

    def take(self, count: int) -> tuple[list[Entry], int]:
        """The next records, and how many times the end was passed. Raises DataError when there are none."""

    def seek(self, seed: int, record: int, key: bytes | None, skip: int, first: int = 0) -> None:
        """Go on after `record` records of our own; our next one comes `skip` records after `key` (None: the start).

        first: how many records of the whole stream are left out at its start.
        """


class KeyOrder:
    """The records in the order of their keys."""

    def __init__(self, source: Source, shard: Shard):
        self._source, self._shard = source, shard
        self._walk: Iterator[Entry] = iter(())
        self._ended = True
        self._last: bytes | None = None  # where the walk begins
        self._skip = shard.rank  # of the records that come next, before the first of our own

    def seek(self, seed: int, record: int, key: bytes | None, skip: int, first: int = 0) -> None:
        """See Order."""
        self._walk, self._ended, self._last = iter(()), True, key
        self._skip = skip if key is not None else skip + first

    def take(self, count: int) -> tuple[list[Entry], int]:
        """The next records, and how many times the end was passed."""
        entries: list[Entry] = []
        passes = 0
        while len(entries) < count:
            if self._ended:
                self._walk, self._ended = self._source.records(self._last), False
            if self._shard.size == 1 and not self._skip:
                entries += islice(self._walk, count - len(entries))
            else:
                self._take_share(entries, count)
            if len(entries) < count:
                if not entries and self._last is None:
                    self._source.first()  # says that there is none
                self._last, self._ended = None, True
                passes += 1
        return entries, passes

    def _take_share(self, entries: list[Entry], count: int) -> None:
        for entry in self._walk:
            if self._skip:
                self._skip -= 1
                continue
            entries.append(entry)
            self._skip = self._shard.size - 1
            if len(entries) == count:
                return


class ShuffledOrder:
    """The records in a new order in every pass. The keys are read once and kept in memory."""

    def __init__(self, source: Source, shard: Shard, seed: int):
        self._source, self._shard = source, shard
        self._keys: list[bytes] = []
        self._shuffle = Shuffle(1, seed)
        self._seed, self._record, self._first = seed, 0, 0

    def seek(self, seed: int, record: int, key: bytes | None, skip: int, first: int = 0) -> None:
        """See Order."""
        self._seed, self._record, self._first = seed, record, first
        self._shuffle.reseed(seed)

    def take(self, count: int) -> tuple[list[Entry], int]:
        """The next records, and how many times the end was passed."""
        if not self._keys:
            self._source.first()  # says when there is none
            self._keys = self._source.keys()
            self._shuffle = Shuffle(len(self._keys), self._seed)
        numbers = [self._first + self._shard.number(self._record + i) for i in range(count)]
        keys = [self._keys[self._shuffle.at(number)] for number in numbers]
        self._record += count
        size = len(self._keys)
        passes = (self._first + self._shard.number(self._record)) // size - numbers[0] // size
        return [(key, self._source.get(key)) for key in keys], passes

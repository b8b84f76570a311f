"""Records that cannot be read: by default the first one is an error, but so many may be left out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from caffelike import log
from caffelike.errors import CaffelikeError, DataError

_local = threading.local()


@contextmanager
def skipping_bad_records(count: int) -> Iterator[None]:
    """Let the data layers of nets built inside the block leave out up to `count` different bad records each.

    A record is bad when it is damaged, or its image is missing or cannot be decoded. The next one takes its place.
    Raises DataError for a negative count.
    """
    if count < 0:
        raise DataError(f"The number of bad records to skip is 0 or more, not {count}.")
    before = allowed()
    _local.count = count
    try:
        yield
    finally:
        _local.count = before


def allowed() -> int:
    """How many a layer that is built now may leave out."""
    return getattr(_local, "count", 0)


class Tolerance:
    """Counts the bad records of one data layer. `source`: Caffe's file and line for the log."""

    def __init__(self, source: str):
        self.allowed, self._source = allowed(), source
        self._bad: set[str] = set()

    def skip(self, key: str, error: CaffelikeError) -> None:
        """Leave out record `key`, which gave `error`; raises it when that is one too many."""
        if key in self._bad:
            return
        if len(self._bad) == self.allowed:
            if self.allowed:
                error.args = (f"{error} {self.allowed} others were skipped before.", *error.args[1:])
            raise error
        self._bad.add(key)
        log.warning(self._source, f"Skipped ({len(self._bad)} of at most {self.allowed}): {error}")

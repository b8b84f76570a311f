"""Turns of two processes that compile for one net: what one of them is compiling, the other does not (see ahead.py)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caffelike.platform import only_one_process

locks: Path | None = None
"""The folder of the locks, one a kernel; None: nobody compiles beside this process."""
ahead = False
"""This is the second process: its tasks only compile, and it leaves out what the other has begun."""


@contextlib.contextmanager
def turn(name: str, wait: bool = True) -> Iterator[bool]:
    """Within it no other process compiles `name`; if not `wait` it may be this one's turn (True) or not."""
    if locks is None:
        yield True
        return
    with only_one_process(locks / name, wait) as mine:
        yield mine

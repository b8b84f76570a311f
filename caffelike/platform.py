"""Everything that differs between operating systems: where caches go, private folders, file locks, priorities."""

import contextlib
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt


def cache_base() -> Path:
    """The folder caches are made in: CAFFELIKE_CACHE_DIR, NUMBA_CACHE_DIR, XDG_CACHE_HOME/caffelike or the like."""
    for name, tail in (("CAFFELIKE_CACHE_DIR", ""), ("NUMBA_CACHE_DIR", "caffelike"), ("XDG_CACHE_HOME", "caffelike")):
        if os.environ.get(name):
            return Path(os.environ[name], tail).absolute()
    if os.name == "nt" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"], "caffelike", "cache")
    with contextlib.suppress(RuntimeError):  # no home directory
        return Path.home() / ".cache" / "caffelike"
    return Path(tempfile.gettempdir()) / f"caffelike-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def private_folder(folder: Path) -> bool:
    """Make the folder for this user alone; False if it cannot be made or somebody else could write into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        return False
    return os.access(folder, os.W_OK)


@contextlib.contextmanager
def only_one_process(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path` (made if absent, never removed); other processes wait here. Raises OSError.

    wait False: do not wait if another process holds it, but yield False.
    """
    with open(path, "a+b") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            else:
                file.seek(0)
                how = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined]
                msvcrt.locking(file.fileno(), how, 1)  # type: ignore[attr-defined]
        except OSError:
            if wait:
                raise
            yield False
            return
        try:
            yield True
        finally:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_UN)
            else:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


def step_back(by: int) -> None:
    """Lower the calling thread's priority (raise its nice value, 19 at most), where threads have one of their own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + by))

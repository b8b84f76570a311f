"""What reaches the terminal: glog's lines on stderr, and above a live progress line where stderr is a terminal."""

import getpass
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from caffelike import log
from caffelike.errors import FileError

_REFRESH = 0.2  # seconds between two updates of the progress line
_WIDE = 100  # columns; narrower terminals have no room for a bar beside the numbers
_RECENT = 10.0  # seconds that its rate is a mean over


class _Stream:
    """stderr, or a console that keeps its progress line below what is written."""

    console: Any = None

    def write(self, text: str) -> None:
        if self.console is None:
            sys.stderr.write(text)
        else:
            self.console.print(text, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)

    def flush(self) -> None:
        if self.console is None:
            sys.stderr.flush()


_stream = _Stream()


def attach_log(minloglevel: int | None, default: int, log_dir: str) -> None:
    """Send log lines to stderr in glog's format, and into a file of `log_dir` if given (or GLOG_log_dir).

    minloglevel: as the user asked, else the environment's GLOG_minloglevel, else the command's `default`.
    """
    if minloglevel is None:
        minloglevel = int(os.environ.get("GLOG_minloglevel") or default)
    log.attach(minloglevel, _stream)  # type: ignore[arg-type]
    folder = log_dir or os.environ.get("GLOG_log_dir", "")
    if folder:
        log.add_handler(logging.FileHandler(_log_file(Path(folder)), encoding="utf-8"), minloglevel)


def _log_file(folder: Path) -> Path:
    """A new log file named as glog names it, with the link `caffelike.INFO` to the latest."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FileError(f"Cannot write a log into --log_dir {folder}: make the folder, or choose another one.")
    user = "unknown"
    with suppress(OSError, KeyError):
        user = getpass.getuser()
    name = f"caffelike.{socket.gethostname()}.{user}.log.INFO.{time.strftime('%Y%m%d-%H%M%S')}.{os.getpid()}"
    link = folder / "caffelike.INFO"
    with suppress(OSError):  # links are a convenience, and not every file system has them
        link.unlink(missing_ok=True)
        link.symlink_to(name)
    return folder / name


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A line with bar, rate and time left on a terminal; nothing elsewhere.

    Yields show(done, note, total=None): note() is asked for its text only when the line is drawn anew; `total` tells
    it where it was not known before.
    """
    if not sys.stderr.isatty():
        yield lambda done, note, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        *([BarColumn(bar_width=12)] if console.width >= _WIDE else []),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=2 * len(str(total or 0)) + 1)),
        TextColumn("{task.fields[rate]}", table_column=Column(no_wrap=True, min_width=8)),
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(
        *columns, console=console, auto_refresh=False, transient=True, expand=True, speed_estimate_period=_RECENT
    ) as bar:
        task = bar.add_task(what, total=total, rate="", note="")
        drawn: deque[tuple[float, int]] = deque()  # when, and how many were done then

        def show(done: int, note: Callable[[], str], total: int | None = None) -> None:
            now = time.perf_counter()
            if drawn and now - drawn[-1][0] < _REFRESH:
                return
            drawn.append((now, done))
            while drawn[0][0] < now - _RECENT:
                drawn.popleft()
            then, before = drawn[0]
            rate = f"{(done - before) / (now - then):.1f}/s" if now > then else ""
            bar.update(task, completed=done, total=total, rate=rate, note=note(), refresh=True)

        _stream.console = console
        try:
            yield show
        finally:
            _stream.console = None

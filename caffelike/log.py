"""Caffe's log lines through Python's `logging`: silent until a handler is attached.

The command line and `init_log()` attach a handler that writes glog's format to stderr,
`I20261120 10:55:27.126574 15738 solver.cpp:45] text`, because people grep and parse such logs.
The `source` of a line (`solver.cpp:45`) is the place in BVLC Caffe that prints it: part of the format.
"""

import logging
import os
import sys
import threading
import types
from datetime import datetime
from typing import TextIO

logger = logging.getLogger("caffelike")
logger.addHandler(logging.NullHandler())


def info(source: str, text: str) -> None:
    """Log one line of Caffe's own wording at INFO level."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(text, extra={"source": source})


def enabled() -> bool:
    """Whether anybody listens to INFO lines: for those that cost something to make."""
    return logger.isEnabledFor(logging.INFO)


def warning(source: str, text: str) -> None:
    """Log what the user should know but need not act on."""
    logger.warning(text, extra={"source": source})


def error(source: str, text: str) -> None:
    """Log what went wrong where Caffe logs it at ERROR level and goes on."""
    logger.error(text, extra={"source": source})


class GlogFormatter(logging.Formatter):
    """Formats a record as glog does; every line of a multi-line text follows one prefix."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one glog line."""
        when = datetime.fromtimestamp(record.created)
        source = getattr(record, "source", f"{record.filename}:{record.lineno}")
        return (
            f"{record.levelname[0]}{when:%Y%m%d %H:%M:%S.%f} {threading.get_native_id()}"
            f" {source}] {record.getMessage().removesuffix(chr(10))}"
        )


_GLOG_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_handlers: list[logging.Handler] = []


def quiet() -> None:
    """Let attached handlers show errors only: what another process says already need not be said twice."""
    for handler in _handlers:
        handler.setLevel(logging.ERROR)


def attach(minloglevel: int | None = None, stream: TextIO | None = None) -> None:
    """Send log lines to `stream` (stderr by default) in glog's format; calling it again replaces.

    `minloglevel`: 0 INFO, 1 WARNING, 2 ERROR, 3 FATAL; by default GLOG_minloglevel, else 0.
    """
    detach()
    if minloglevel is None:
        minloglevel = int(os.environ.get("GLOG_minloglevel") or 0)
    add_handler(logging.StreamHandler(stream or sys.stderr), minloglevel)


def add_handler(handler: logging.Handler, minloglevel: int = 0) -> None:
    """Let `handler` (a file, a progress display) write glog lines too, from `minloglevel` up."""
    handler.setFormatter(GlogFormatter())
    handler.setLevel(_GLOG_LEVELS[min(minloglevel, 3)])
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    _handlers.append(handler)


def init_log(level: int = 0, stderr: bool = True) -> None:
    """pycaffe's init_log: show log lines on stderr from `level` (0 INFO, 1 WARNING, 2 ERROR, 3 FATAL) up."""
    if stderr:
        attach(level)
    else:
        detach()


def detach() -> None:
    """Remove what `attach` and `add_handler` added: logging is silent again."""
    while _handlers:
        handler = _handlers.pop()
        logger.removeHandler(handler)
        if isinstance(handler, logging.FileHandler):
            handler.close()


def number(value: float) -> str:
    """A number as a C++ stream prints it: six significant digits (`0.0001`, `1e-05`, `inf`)."""
    return f"{value:g}"


class _Callable(types.ModuleType):
    """This module, that can be called: in pycaffe `caffe.log(text)` writes a line into the log."""

    def __call__(self, text: str) -> None:
        info("_caffe.cpp:56", text)


sys.modules[__name__].__class__ = _Callable

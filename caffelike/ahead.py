"""A second process that compiles beside the first: a net's kernels from its last layer on, while that runs it.

The first process compiles each kernel when it comes to it; what the second has put into the cache by then, it reads
from there. They meet somewhere in the middle, so that a first run takes little more than half of its time.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from caffelike import device
from caffelike.kernels import cache, turns
from caffelike.platform import processors


@contextlib.contextmanager
def compiling(net: str, phase: int, level: int = 0, stages: str = "", rule: str = "") -> Iterator[None]:
    """Compile for the net of a prototxt in a second process until the block is left.

    rule: a solver's type, for its update. Nothing happens unless the kernel cache is empty, there are two processors,
    and nets run on the CPU. What the process cannot do (plug-ins, Python layers, a net that is wrong) it leaves.
    """
    if not cache.is_empty() or min(processors(), _threads()) < 2 or device.mode() != device.CPU:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="caffelike-") as locks:
        order = [sys.executable, "-m", "caffelike.ahead", locks, net, str(phase), str(level), stages, rule]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(order, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as other:
            turns.locks = Path(locks)
            try:
                yield
            finally:
                turns.locks = None
                other.kill()  # a file that is half written has another name than a finished one


def _threads() -> int:
    """OMP_NUM_THREADS; 2 if there is none: who allows one thread wants one processor used."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else 2


def main(locks: str, net: str, phase: str, level: str, stages: str, rule: str) -> None:
    """What the second process does; it ends with the first, which holds the other end of its standard input."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    turns.locks, turns.ahead = Path(locks), True
    from caffelike.summary import build_without_data
    from caffelike.warmup import run_update

    if rule:
        run_update(rule)
    built = build_without_data(net, int(phase), level=int(level), stages=stages.split(","))
    built.share_memory()
    for function, arguments in reversed(built.steps()):
        with contextlib.suppress(Exception):  # the first process will come to it
            function(*arguments)


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing comes: it returns at the end
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Starts the ranks of a command on this machine: `caffelike train --ranks 4` is `mpiexec -n 4 caffelike train`."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from caffelike import log
from caffelike.errors import CaffelikeError
from caffelike.parallel.mpi import PIP, load


def run(count: int, arguments: Sequence[str]) -> int:
    """Run `caffelike` with these arguments on `count` ranks; the exit code of the first that failed, else 0.

    The cores are shared out: each rank gets as many threads as there are cores for it, unless OMP_NUM_THREADS says
    otherwise. Raises CaffelikeError where MPI is missing or count is not positive.
    """
    if count < 1:
        raise CaffelikeError(f"--ranks must be at least 1, but is {count}.")
    load()
    environment = dict(os.environ)
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    command = [*_mpiexec(), "-n", str(count), *_flags(environment), sys.executable, "-m", "caffelike", *arguments]
    log.logger.info("Starting %s", " ".join(command))
    # Ctrl-C must not reach mpiexec, which would end the ranks at once: they stop by themselves, with a snapshot.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    with _passed_on(process):
        return process.wait()


@contextmanager
def _passed_on(process: subprocess.Popen) -> Iterator[None]:
    """Within the block SIGINT and SIGHUP go to the ranks, as the signals that mpiexec hands on; SIGTERM ends them."""
    names = {"SIGINT": "SIGUSR1", "SIGHUP": "SIGUSR2", "SIGTERM": "SIGTERM"}
    pairs = [(getattr(signal, name), getattr(signal, to)) for name, to in names.items() if hasattr(signal, to)]
    before = [(number, signal.signal(number, lambda *_, to=to: process.send_signal(to))) for number, to in pairs]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _mpiexec() -> list[str]:
    """The program that belongs to the MPI in this Python's environment, else the first on the PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise CaffelikeError(f"There is no mpiexec to start the ranks with: {PIP}")
    return [found]


def _flags(environment: dict[str, str]) -> list[str]:
    """What Open MPI needs to be told: more ranks than cores are meant, and so is root in a container."""
    if "Open MPI" not in subprocess.run([*_mpiexec(), "--version"], capture_output=True, text=True, check=False).stdout:
        return []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return ["--oversubscribe", "--bind-to", "none"]

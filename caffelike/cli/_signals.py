"""SIGINT and SIGHUP while training, on MPI also SIGUSR1 and SIGUSR2: stop, write a snapshot, or nothing."""

import signal
from types import FrameType
from typing import Any

from caffelike.errors import CaffelikeError

_EFFECTS = ("stop", "snapshot", "none")


class Signals:
    """Within a `with` block remembers the signals received; calling it gives the action wanted, once for each.

    sigint, sighup: "stop", "snapshot" or "none". Raises CaffelikeError for another word.
    """

    def __init__(self, sigint: str = "stop", sighup: str = "snapshot"):
        from caffelike.parallel.mpi import started_by_mpi  # here: it loads NumPy, and `--help` needs none

        for effect in (sigint, sighup):
            if effect not in _EFFECTS:
                raise CaffelikeError(
                    f'Invalid signal effect "{effect}" was specified; choose {", ".join(_EFFECTS[:-1])} or none.'
                )
        self._effects: dict[int, str] = {signal.SIGINT: sigint}
        if hasattr(signal, "SIGHUP"):  # Windows has none
            self._effects = {signal.SIGHUP: sighup} | self._effects
        if started_by_mpi() and hasattr(signal, "SIGUSR1"):  # mpiexec keeps the other two, and hands these on
            self._effects |= {signal.SIGUSR2: sighup, signal.SIGUSR1: sigint}
        self._received: set[int] = set()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._receive) for number in self._effects}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received.add(number)

    def __call__(self) -> str | None:
        """The effect of a signal received since the last call ("stop", "snapshot"), SIGHUP's first; else None."""
        if self._received:
            for number, effect in self._effects.items():
                if number in self._received:
                    self._received.discard(number)
                    return effect if effect != "none" else None
        return None

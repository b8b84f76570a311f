"""Launching again without Python what a kernel's function launched before.

A pass over a net calls hundreds of functions that work out, in Python, what to launch. It is the same each time, and
in small layers takes longer than the work. Functions marked `replayable` do nothing but launch tasks, chosen by nothing
but the arguments' shapes and addresses and by `launch.state()`: a `Replay` notes their launches and repeats them.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from caffelike.kernels import launch
from caffelike.kernels.jit import kernel

Function = TypeVar("Function", bound=Callable)


def replayable(function: Function) -> Function:
    """Mark a kernel's function: all that it does is launching tasks; where it does more it calls `launch.by_hand`."""
    function.replayable = True  # type: ignore[attr-defined]
    return function


@intrinsic
def _again(typingctx, fork, block):
    """Launch what lies in a block once more."""

    def codegen(context, builder, given, values):
        launch.emit_launch(builder, values[0], builder.inttoptr(values[1], ir.IntType(64).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@kernel
def _all_again(fork, blocks):
    for i in range(blocks.size):
        _again(fork, blocks[i])


class _Notes(NamedTuple):
    """Launches: what they were made under, where their blocks lie, and what they need: memory, arguments."""

    state: object
    blocks: np.ndarray
    memory: list[np.ndarray]
    arguments: list[tuple]


class Replay:
    """A call of a replayable function with these arguments. The second of its kind is noted, later ones repeat that.

    spare: gives memory that the call may use for itself, see `launch.lent`.
    """

    def __init__(self, function: Callable, arguments: tuple, spare: Callable[[], Sequence[np.ndarray]] = tuple):
        self._function, self._arguments, self._spare = function, arguments, spare
        self._notes: _Notes | None = None
        self._before: Any = None  # what the last call was under: it has compiled all, and scratch memory has its size
        self._impossible: Any = None  # what a call was under that did something by hand
        with _changing:
            _replays.add(self)

    def __call__(self) -> None:
        """Do it."""
        state, notes = launch.state(), self._notes  # another thread may make it forget them meanwhile
        if notes is not None and notes.state == state:
            with launch.team():
                _all_again(launch.fork_address(), notes.blocks)
        elif state != self._before or state == self._impossible:
            self._call()
            self._before = launch.state()
        else:
            self._note(state)

    def _call(self) -> None:
        with launch.lent(self._spare):
            self._function(*self._arguments)

    def _note(self, state: object) -> None:
        addresses: list[int] = []
        memory: list[np.ndarray] = []
        arguments: list[tuple] = []

        def keep(counters: int, args: tuple) -> int:
            room = np.empty(counters + launch.ROOM + 64, np.uint8)
            address = -(-room.ctypes.data // 64) * 64
            memory.append(room)
            arguments.append(args)
            addresses.append(address + counters)
            return address

        with launch.keeping(keep) as whole:
            self._call()
        if not whole():
            self._impossible = state
        elif launch.state() == state:
            self._notes = _Notes(state, np.array(addresses, np.int64), memory, arguments)

    def forget(self) -> None:
        """Let go of what was noted: scratch memory must not be kept when there is larger."""
        self._notes = None


_replays: weakref.WeakSet[Replay] = weakref.WeakSet()
_changing = threading.Lock()


def _forget() -> None:
    with _changing:
        for replay in _replays:
            replay.forget()


launch.on_change.append(_forget)

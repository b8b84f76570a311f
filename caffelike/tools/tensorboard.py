"""A training run for TensorBoard to show: `caffelike train --tensorboard DIR`.

TensorBoard reads event files: records of a length, its checksum, a protobuf message and its checksum. Scalars need
four fields of two messages, so they are written here and no package is needed to write them; `pip install
'caffelike[tensorboard]'` gets the program that shows them.
"""

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np

from caffelike import log
from caffelike.data.datum import field
from caffelike.errors import FileError
from caffelike.schema.wire import varint
from caffelike.solvers.listener import Listener

_VERSION = b"brain.Event:2"


class EventFile:
    """Writes scalars into a new event file of `folder`, which is made if absent. Raises FileError."""

    def __init__(self, folder: str | os.PathLike):
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.caffelike"
        self.path = Path(folder) / name
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise FileError(f"Cannot write into {folder}: {error.strerror}.") from error
        self._record(_wall_time() + field(3, _VERSION))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write values by tag (`test/accuracy`) for an iteration. Raises OSError."""
        tagged = (field(1, tag.encode()) + b"\x15" + struct.pack("<f", value) for tag, value in values.items())
        summary = b"".join(field(1, value) for value in tagged)
        self._record(_wall_time() + b"\x10" + varint(step) + field(5, summary))

    def _record(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoard(Listener):
    """Writes loss, learning rate, the training net's outputs and test scores: tags `train/loss`, `test/accuracy`, ...

    The smoothed loss is `train/smoothed loss`; test net 1's scores are `test1/...`. Raises FileError.
    """

    looks_at_gradients = False

    def __init__(self, folder: str | os.PathLike):
        self._events: EventFile | None = EventFile(folder)
        log.info(
            "tensorboard.py:67",
            f"Writing {self._events.path}; `tensorboard --logdir {os.fspath(folder)}` shows it"
            " (get it with: pip install 'caffelike[tensorboard]').",
        )

    def on_display(self, solver: Any, outputs: dict[str, np.ndarray]) -> None:
        """Write the loss, the rate and the training net's outputs."""
        self._write(
            solver.iter,
            {"train/smoothed loss": solver.smoothed_loss, "learning rate": solver.lr} | _numbers("train", outputs),
        )

    def on_test(self, solver: Any, index: int, scores: dict[str, np.ndarray]) -> None:
        """Write a test net's scores."""
        self._write(solver.iter, _numbers(f"test{index or ''}", scores))

    def _write(self, step: int, values: dict[str, float]) -> None:
        if self._events is None:
            return
        try:
            self._events.scalars(step, values)
        except OSError as error:
            log.error("tensorboard.py:91", f"{self._events.path} ends here, training goes on: {error.strerror}")
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._events is not None:
            self._events.close()
            self._events = None


def _numbers(what: str, outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """A tag and value for each number of the outputs."""
    return {
        f"{what}/{name}" if array.size == 1 else f"{what}/{name}/{i}": float(value)
        for name, array in outputs.items()
        for i, value in enumerate(array.ravel())
    }


def _wall_time() -> bytes:
    return b"\x09" + struct.pack("<d", time.time())


def _table() -> list[int]:
    """CRC-32C (Castagnoli) of each byte, reflected polynomial 0x82F63B78."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _table()


def _checksum(data: bytes) -> bytes:
    """CRC-32C rotated right by 15 bits plus a constant, as TFRecord files mask it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

"""Event files, read back by the format's definition, and by TensorBoard where it is installed."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest

from caffelike.tools.tensorboard import EventFile, TensorBoard, _checksum


def records(path):
    """The events in a file; lengths and checksums are checked."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = data[12 : 12 + length]
        assert data[8:12] == _checksum(data[:8])
        assert data[12 + length : 16 + length] == _checksum(event)
        found.append(event)
        data = data[16 + length :]
    return found


def test_checksums():
    """CRC-32C of "123456789" is 0xE3069283 (RFC 3720); masked as TFRecord does."""
    crc = 0xE3069283
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert _checksum(b"123456789") == struct.pack("<I", masked)


def test_records_of_an_event_file(tmp_path):
    events = EventFile(tmp_path / "new" / "folder")
    events.scalars(300, {"test/accuracy": 0.5})
    events.close()
    version, scalar = records(events.path)
    assert version[9:] == b"\x1a\x0dbrain.Event:2"
    assert scalar[0] == 0x09  # wall_time, a double
    assert scalar[9:] == b"\x10\xac\x02" + b"\x2a\x16\x0a\x14" + b"\x0a\x0dtest/accuracy" + b"\x15\x00\x00\x00\x3f"


def test_a_run(tmp_path):
    solver = SimpleNamespace(iter=7, smoothed_loss=2.5, lr=0.01)
    board = TensorBoard(tmp_path)
    board.on_display(solver, {"loss": np.float32([2.25])})
    board.on_test(solver, 0, {"accuracy": np.array(0.5)})
    board.on_test(solver, 1, {"prob": np.array([0.25, 0.75])})
    board.close()
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    for tag in (b"train/smoothed loss", b"learning rate", b"train/loss", b"test/accuracy", b"test1/prob/1"):
        assert tag in data


def test_tensorboard_reads_it(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = EventFile(tmp_path)
    for step in range(3):
        events.scalars(step, {"train/loss": 1 / (1 + step), "lr": 0.1})
    events.close()
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("train/loss")] == [(0, 1), (1, 0.5), (2, pytest.approx(1 / 3))]

"""Threads end, memory stays bounded: data layers in whole processes that are closed, left, interrupted or killed."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike.data import write_lmdb

NET = """
layer { name: "d" type: "Data" top: "data" top: "label" transform_param { mirror: true crop_size: 40 }
  data_param { source: "db" batch_size: 8 backend: LMDB prefetch: 3 threads: 3 shuffle: true } }
"""
SCRIPT = """
import sys
import caffelike
net = caffelike.Net("net.prototxt", caffelike.TRAIN)
def go():
    for _ in range(3):
        net.forward()
    print("running", flush=True)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = []
    for i in range(24):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)).save(out, "JPEG")
        records.append((out.getvalue(), i))
    write_lmdb("db", records)
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def start(rest):
    """A process that runs SCRIPT and `rest`."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + textwrap.dedent(rest)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_closed_net_has_no_threads(folder):
    before = set(threading.enumerate())
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    for _ in range(3):
        net.forward()
    assert len(set(threading.enumerate()) - before) > 1  # one that makes batches ahead, and some that decode
    net.close()
    net.close()
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "1 / 0", "net.close()"])
def test_a_process_that_ends_does_not_hang(folder, ending):
    process = start(f"go()\n{ending}")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {"sys.exit(3)": 3, "1 / 0": 1}.get(ending, 0), errors
    assert ("ZeroDivisionError" in errors) == (ending == "1 / 0")
    assert "Fatal" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_process_that_is_killed_is_gone_and_the_data_base_is_whole(folder, number):
    # A shell that runs tests in the background makes SIGINT ignored, in all processes below it.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = start(heard + "go()\nwhile True: net.forward()")
    assert process.stdout.readline() == "running\n"
    time.sleep(0.05)
    os.kill(process.pid, getattr(signal, number))
    try:
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (1, -getattr(signal, number))
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    assert net.forward()["data"].shape == (8, 3, 40, 40)
    net.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs the module resource")
def test_memory_is_bounded(folder):
    process = start(
        """
        import resource
        go()
        for _ in range(100):
            net.forward()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(1500):
            net.forward()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """
    )
    out, errors = process.communicate(timeout=100)
    grown = int(out.split()[-1]) / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    assert grown < 8, errors  # MiB; the batches that went by were 1500 * 0.6

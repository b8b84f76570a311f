"""The tests of the mark `gpu`, run in Numba's CUDA simulator, which must be on before Numba is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffelike import device

TESTS = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif("cuda" in device.usable(), reason="these tests run here by themselves")
def test_in_the_simulator():
    marked = sorted(p for p in TESTS.rglob("test_*.py") if "pytest.mark.gpu" in p.read_text() and p != Path(__file__))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", *map(str, marked)],
        cwd=TESTS.parent,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout

"""What several test files share."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from caffelike import device


class Demo(NamedTuple):
    """A demonstration that ran: in which folder, with what exit code, and what it printed."""

    folder: Path
    code: int
    printed: str


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that none is begun last; a GPU's tests run where there is one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and "cuda" not in device.usable():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no GPU here; test_cuda_simulator.py runs it in the simulator"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    """`caffelike demo`, run once for all tests in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "caffelike", "demo"], cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    return Demo(folder, done.returncode, done.stdout)

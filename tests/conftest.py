"""What several test files share."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from caffelike import device
from caffelike.platform import only_one_process


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
def demo(request, tmp_path_factory) -> Demo:
    """`caffelike demo`, run once for all tests in an empty folder, whichever of pytest-xdist's processes run them."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    folder, report = shared / "demo", shared / "demo.json"
    with only_one_process(shared / "demo.lock"):
        if not report.exists():
            folder.mkdir()
            command = [sys.executable, "-m", "caffelike", "demo"]
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", check=False)
            report.write_text(json.dumps([done.returncode, done.stdout]), encoding="utf-8")
    return Demo(folder, *json.loads(report.read_text(encoding="utf-8")))

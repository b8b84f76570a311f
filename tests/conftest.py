"""What several test files share."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Demo(NamedTuple):
    """A demonstration that ran: in which folder, with what exit code, and what it printed."""

    folder: Path
    code: int
    printed: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    """`caffelike demo`, run once for all tests in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "caffelike", "demo"], cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    return Demo(folder, done.returncode, done.stdout)

"""Running the command line in this process."""

from dataclasses import dataclass

import pytest

from caffelike.cli import main


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    """A function that runs `caffelike` with these words and returns exit code, stdout and stderr."""

    def call(*argv):
        code = main([str(word) for word in argv])
        return Result(code, *capsys.readouterr())

    return call

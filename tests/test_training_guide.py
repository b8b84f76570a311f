"""docs/training.md is true: its commands and code run, in order, and print what it shows."""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from caffelike.cli import main

GUIDE = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+\.\d+")


def run(line: str) -> str:
    """What a command line prints, its log included (and kept in a file, where the line says so)."""
    line, _, log = line.partition(" 2> ")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main(shlex.split(line)[1:])
    assert code == 0, f"{line}\n{printed.getvalue()}"
    if log:
        Path(log).write_text(printed.getvalue())
    return printed.getvalue()


@pytest.mark.slow
def test_the_guide_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    printed = ""
    for kind, text in BLOCKS:
        language, _, name = kind.partition(" ")
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(text, "training.md", "exec"), {})
            printed = output.getvalue()
        elif language == "sh":
            printed = "".join(run(line) for line in text.splitlines())
        elif name:
            Path(name).write_text(text)
        elif not language:
            for line in text.splitlines():  # numbers that depend on the machine's last bits may differ
                assert NUMBER.sub("#", line) in NUMBER.sub("#", printed), line
    accuracy = float(re.search(r"accuracy (\S+)$", printed.strip())[1])
    assert accuracy > 0.8
    assert np.load("fc.npy").shape == (180, 64)
    kept = {path.name for path in tmp_path.glob("model_iter_*.solverstate")}
    assert len(kept) >= 2
    assert os.path.exists("model_best.caffemodel")


def test_the_guide_names_every_field_of_ours():
    proto = (Path(__file__).parent.parent / "proto" / "caffelike.proto").read_text()
    fields = re.findall(r"(\w+) = 50\d{3}\b", proto)
    assert fields
    for field in fields:
        assert f"`{field}`" in GUIDE

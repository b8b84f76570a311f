import os
import shutil
import subprocess
import sys

import pytest

from caffelike.cli import COMPLETE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_where_to_ask(run, shell):
    result = run("completion", shell)
    assert result.code == 0
    assert COMPLETE in result.out
    assert "caffelike" in result.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.out, text=True, check=True)


def words(*typed):
    """What is offered for the last of the words typed, as (kind, word)."""
    asked = {
        COMPLETE: "bash_complete",
        "COMP_WORDS": " ".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
    }
    command = [sys.executable, "-m", "caffelike"]
    out = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True).stdout
    return {tuple(line.split(",")) for line in out.splitlines()}


def test_words():
    assert words("caffelike", "sum") == {("plain", "summary")}
    assert {("plain", "--phase"), ("plain", "--input")} <= words("caffelike", "summary", "--")
    assert words("caffelike", "summary", "--phase", "TR") == {("plain", "TRAIN")}
    assert words("caffelike", "summary", "net.pro") == {("file", "net.pro")}

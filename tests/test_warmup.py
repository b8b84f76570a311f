import subprocess
import sys

import pytest

from caffelike import hub
from caffelike.errors import CaffelikeError
from caffelike.summary import FIRST
from caffelike.warmup import warm_up


def test_both_phases_of_a_net_run_without_its_data():
    assert warm_up(hub.find("lenet") / "train_val.prototxt", {FIRST: (2, 1, 28, 28)}) == 2


def test_a_solver_takes_its_net_and_rule():
    assert warm_up(hub.find("lenet") / "solver.prototxt", {FIRST: (2, 1, 28, 28)}) == 2


def test_missing_data_are_named_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaffelikeError, match="--input 64,3,227,227"):
        warm_up(hub.find("lenet") / "train_val.prototxt")


def test_command():
    done = subprocess.run(
        [sys.executable, "-m", "caffelike", "warmup", hub.find("lenet") / "deploy.prototxt"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "2 net(s) ran once" in done.stdout

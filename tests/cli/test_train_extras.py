"""Flags of `caffelike train` that write curves or set the opt-in fields."""

import csv

import pytest

NET = """
layer { name: "d" type: "DummyData" top: "x" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TEST } }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" max_iter: 20 display: 5 test_iter: 1 test_interval: 10
snapshot: 10 random_seed: 1"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def test_csv_and_tensorboard(run, folder):
    result = run("train", "solver.prototxt", "--csv", "run.csv", "-tensorboard=board")
    assert result.code == 0, result.err
    with open("run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["iteration"] for row in rows] == ["0", "5", "10", "15", "20"]
    assert [bool(row["test acc"]) for row in rows] == [True, False, True, False, True]
    (events,) = (folder / "board").iterdir()
    assert b"test/acc" in events.read_bytes()
    assert "pip install 'caffelike[tensorboard]'" in result.err
    again = run("train", "-solver", "solver.prototxt", "-snapshot", "solver_iter_10.solverstate", "--csv=run.csv")
    assert again.code == 0, again.err
    with open("run.csv", newline="") as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["0", "5", "10", "15", "20"]


def test_flags_set_the_fields(run, folder):
    words = "--warmup_iter=5 -warmup_start_lr 0.1 --average_decay=0.9 -keep_snapshots 1 --keep_best --early_stop=9"
    result = run("train", "solver.prototxt", *words.split(), "-gradient_scale", "0.5", "-score=acc")
    assert result.code == 0, result.err
    for line in ("warmup_iter: 5", "keep_best: true", "early_stop: 9", 'score: "acc"', "gradient_scale: 0.5"):
        assert line in result.err
    assert "Iteration 0, lr = 0.1\n" in result.err
    assert "Iteration 5, lr = 0.5\n" in result.err
    assert {path.name for path in folder.glob("solver_*")} == {
        "solver_best.caffemodel",
        "solver_iter_20.caffemodel",
        "solver_iter_20.solverstate",
        "solver_iter_20.caffelike-state",
        "solver_iter_20_average.caffemodel",
    }


def test_what_is_not_asked_for_is_not_set(run, folder):
    result = run("train", "solver.prototxt")
    assert result.code == 0
    assert "keep_best" not in result.err
    assert not list(folder.glob("*_best*"))

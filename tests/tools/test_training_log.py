import math

import pytest
from recorded import GOLDEN

from caffelike.errors import DataError, FileError
from caffelike.tools.training_log import parse_lines, parse_log, write_csv

LOG = GOLDEN / "logs" / "train.log"


def test_caffes_own_log(tmp_path):
    """The tables that Caffe's parse_log.py makes of the same log."""
    log = parse_log(LOG)
    assert [row["NumIters"] for row in log.train] == [0, 50, 100, 150]
    assert log.train[1] == {"NumIters": 50, "Seconds": 0.956293, "LearningRate": 0.01, "loss": 0.327491}
    assert list(log.tests) == [0]
    assert [row["accuracy"] for row in log.tests[0]] == [0.089, 0.885, 0.911]
    assert log.losses[-1] == (200, 3.416001, 0.338537)
    assert log.loss_names == {"loss"}
    train, test = write_csv(log, tmp_path)
    assert (train.name, test.name) == ("train.log.train", "train.log.test")
    assert train.read_text().splitlines()[:2] == ["NumIters,Seconds,LearningRate,loss", "0.0,0.176778,0.01,2.34889"]
    # The first test comes before the first learning rate, which is filled in from the second.
    assert test.read_text().splitlines()[1] == "0.0,0.137493,0.01,0.089,2.37139"


LINE = "I1231 23:59:{:02d}.500000  1 solver.cpp:1] {}"


def test_nan_inf_and_no_year():
    lines = [
        LINE.format(50, "Solving x"),
        LINE.format(51, "Iteration 0, loss = nan"),
        LINE.format(51, "    Train net output #0: loss = -nan (* 1 = -nan loss)"),
        LINE.format(51, "Iteration 0, lr = 1e-05"),
        "I0101 00:00:01.250000  1 solver.cpp:1] Iteration 10 (5 iter/s, 2s/10 iters), loss = inf",
        "I0101 00:00:01.250000  1 solver.cpp:1]     Train net output #0: loss = 3.5e+38 (* 1 = 3.5e+38 loss)",
    ]
    log = parse_lines(lines)
    assert math.isnan(log.train[0]["loss"])
    assert math.isnan(log.losses[0][2])
    assert log.losses[1] == (10, 10.75, math.inf)
    assert log.train[1] == {"NumIters": 10, "Seconds": 10.75, "LearningRate": 1e-05, "loss": 3.5e38}


def test_several_test_nets_outputs_of_many_numbers_and_a_resumed_run(tmp_path):
    test = [
        "Iteration 10, Testing net (#0)",
        "    Test net output #0: prob = 0.25",
        "    Test net output #1: prob = 0.75",
        "Iteration 10, Testing net (#1)",
        "    Test net output #0: accuracy = 0.5",
    ]
    lines = [LINE.format(i, text) for i, text in enumerate(["Solving x", *test, "Solving x", *test])]
    log = parse_lines(lines)
    assert [{k: row[k] for k in row if k.startswith("prob")} for row in log.tests[0]] == [
        {"prob": 0.25, "prob#1": 0.75}
    ] * 2
    assert [row["Seconds"] for row in log.tests[1]] == [5, 11]
    log.name = "a.log"
    assert [path.name for path in write_csv(log, tmp_path, delimiter="\t")] == ["a.log.test", "a.log.test1"]
    assert (
        (tmp_path / "a.log.test")
        .read_text()
        .startswith("NumIters\tSeconds\tLearningRate\tprob\tprob#1\n10.0\t2.0\tnan\t")
    )


def test_what_is_no_log(tmp_path):
    with pytest.raises(FileError, match="Could not open log"):
        parse_log(tmp_path / "none.log")
    (tmp_path / "other.log").write_bytes(b"\xff hello\nI9999 99:99:99.1 1 a] x\n")
    with pytest.raises(DataError, match="no log of a training run"):
        parse_log(tmp_path / "other.log")

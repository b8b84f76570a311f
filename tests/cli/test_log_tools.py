"""parse-log and plot on the command line."""

import pytest
from recorded import GOLDEN

LOG = GOLDEN / "logs" / "train.log"


@pytest.mark.parametrize("spelling", ["parse-log", "parse_log"])
def test_parse_log(run, tmp_path, spelling):
    result = run(spelling, LOG, tmp_path, "--verbose")
    assert result.code == 0
    assert result.out == f"Wrote {tmp_path}/train.log.train: 4 rows\nWrote {tmp_path}/train.log.test: 3 rows\n"


def test_parse_log_of_something_else(run, tmp_path):
    (tmp_path / "x.log").write_text("hello\n")
    result = run("parse_log", tmp_path / "x.log", tmp_path)
    assert result.code == 1
    assert "is no log of a training run" in result.err


def test_plot(run, tmp_path):
    pytest.importorskip("matplotlib")
    result = run("plot", LOG, LOG.with_name("finetune.log"), "-charts", "0,6", "-output", tmp_path / "x.svg")
    assert (result.code, result.out) == (0, f"Wrote {tmp_path}/x.svg\n")
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_plot_as_caffe_s_script_is_called(run, tmp_path):
    pytest.importorskip("matplotlib")
    result = run("plot", "6", tmp_path / "loss.svg", LOG, LOG.with_name("finetune.log"))
    assert (result.code, result.out) == (0, f"Wrote {tmp_path}/loss.svg\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "Name the logs to draw"),
        ((LOG, "--charts", "a"), "--charts takes numbers"),
        ((LOG, "-charts=9"), "9 is not"),
    ],
)
def test_plot_of_nothing(run, words, text):
    result = run("plot", *words)
    assert result.code == 1
    assert text in result.err

import io
import sys

from caffelike import log
from caffelike.cli import _terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_progress_line_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with _terminal.progress("train", 10) as show:
        show(5, lambda: "note")
    assert stream.getvalue() == ""


def test_the_line_stays_below_whole_log_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_terminal, "_REFRESH", 0)
    _terminal.attach_log(0, 0, "")
    try:
        with _terminal.progress("train", 10) as show:
            show(5, lambda: "loss 0.5")
            log.info("solver.cpp:239", "Iteration 5 (7 iter/s), loss = [1] :smile: " + "x" * 200)
            show(6, lambda: "loss 0.25")
    finally:
        log.detach()
    lines = stream.getvalue().replace("\r", "\n").splitlines()
    assert any(
        line.endswith("solver.cpp:239] Iteration 5 (7 iter/s), loss = [1] :smile: " + "x" * 200) for line in lines
    )
    assert any("5/10" in line and "loss 0.5" in line for line in lines)
    assert any("6/10" in line and "/s" in line and "loss 0.25" in line for line in lines)


def test_the_note_is_made_only_when_the_line_is_drawn(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    asked = []
    with _terminal.progress("train", 10) as show:
        for i in range(10):
            show(i, lambda: asked.append(1) or "")
    assert len(asked) == 1


def test_eighty_columns_hold_the_test_score_too(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with _terminal.progress("train", 10000) as show:
        show(9999, lambda: "loss 0.00657 lr 0.0067 test accuracy 0.9918")
    assert "9999/10000" in stream.getvalue()
    assert "test accuracy 0.9918" in stream.getvalue()

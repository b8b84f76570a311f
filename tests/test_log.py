import io
import re

import pytest

from caffelike import log


@pytest.fixture
def stream():
    text = io.StringIO()
    log.attach(0, text)
    yield text
    log.detach()


def test_a_line_has_glogs_form(stream):
    log.info("solver.cpp:45", "Solving LeNet")
    assert re.fullmatch(r"I\d{8} \d\d:\d\d:\d\d\.\d{6} \d+ solver\.cpp:45\] Solving LeNet\n", stream.getvalue())


def test_minloglevel_hides_what_is_below():
    text = io.StringIO()
    log.attach(2, text)
    log.info("a.cpp:1", "info")
    log.warning("a.cpp:1", "warning")
    log.error("a.cpp:1", "error")
    log.detach()
    assert [line[0] for line in text.getvalue().splitlines()] == ["E"]


def test_without_a_handler_nothing_is_printed(capfd):
    log.warning("a.cpp:1", "unseen")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0001, "0.0001"), (0.00001, "1e-05"), (2.3713912, "2.37139"), (87.33654, "87.3365"), (100.0, "100")],
)
def test_numbers_read_as_a_cpp_stream_prints_them(value, text):
    assert log.number(value) == text

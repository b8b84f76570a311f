import os
import signal

import pytest

from caffelike.cli._signals import Signals
from caffelike.errors import CaffelikeError

hup = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")


def test_ctrl_c_means_stop_once():
    with Signals() as action:
        assert action() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert action() == "stop"
        assert action() is None


@hup
def test_a_hang_up_is_looked_at_first():
    with Signals() as action:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert [action(), action(), action()] == ["snapshot", "stop", None]


@hup
def test_effects_can_be_chosen():
    with Signals(sigint="snapshot", sighup="none") as action:
        os.kill(os.getpid(), signal.SIGHUP)
        assert action() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert action() == "snapshot"


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    with Signals():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_another_word_is_refused():
    with pytest.raises(CaffelikeError, match='Invalid signal effect "quit" was specified'):
        Signals("quit")

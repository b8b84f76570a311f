import os
import sys
import threading
import time

import pytest

from caffelike.data.workers import Workers, default_threads


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_number_once(count):
    workers, done = Workers(count), []
    workers.run(done.append, 3, 40)
    assert sorted(done) == list(range(3, 40))
    workers.run(done.append, 7, 7)
    workers.close()
    workers.close()


def test_the_error_of_the_lowest_number_is_raised():
    def job(i):
        time.sleep(0.001 * (10 - i))  # later ones fail first
        if i >= 4:
            raise ValueError(i)

    workers = Workers(4)
    for _ in range(5):
        with pytest.raises(ValueError, match=r"^4$"):
            workers.run(job, 0, 10)
    done = []
    workers.run(done.append, 0, 5)
    assert sorted(done) == list(range(5))
    workers.close()


def test_threads_start_when_needed_and_end():
    before = set(threading.enumerate())
    workers = Workers(3)
    workers.run(lambda i: None, 0, 1)
    assert not set(threading.enumerate()) - before
    workers.run(lambda i: time.sleep(0.01), 0, 9)
    assert len(set(threading.enumerate()) - before) == 3
    workers.close()
    assert not set(threading.enumerate()) - before
    assert default_threads() >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_they_let_other_threads_go_first():
    def priority(_=None):
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    found = []
    priority()
    workers = Workers(2)
    workers.run(priority, 0, 4)
    workers.close()
    priority()
    assert found == [found[0], *[min(19, found[0] + 5)] * 4, found[0]]

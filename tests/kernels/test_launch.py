import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from caffelike.kernels import launch
from caffelike.kernels.launch import task

most = launch.get_num_threads()
two = pytest.mark.skipif(most < 2, reason="one processor")


@task
def _square(worker, lo, hi, x, y, workers):
    for i in range(lo, hi):
        y[i] = x[i] * x[i]
        workers[i] = worker


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "grain"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 7)])
def test_every_item_is_done_once(threads, n, grain):
    if threads > most:
        pytest.skip("one processor")
    launch.set_num_threads(threads)
    x = np.arange(n, dtype=np.float32)
    y, workers = np.full(n, -1, np.float32), np.full(n, -1)
    _square(n, grain, x, y, workers)
    launch.set_num_threads(most)
    np.testing.assert_array_equal(y, x * x)
    assert ((workers >= 0) & (workers < threads)).all()


def test_number_of_threads_is_checked():
    for wrong in (0, -1, 10_000):
        with pytest.raises(ValueError, match="from 1 to"):
            launch.set_num_threads(wrong)
    assert launch.get_num_threads() == most


def test_launches_from_several_python_threads():
    x = np.arange(5000, dtype=np.float32)
    failed = []

    def work():
        for _ in range(50):
            y, workers = np.zeros_like(x), np.zeros(x.size, np.int64)
            _square(x.size, 100, x, y, workers)
            if not np.array_equal(y, x * x):
                failed.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


def test_scratch_is_shared_by_role_and_kept_apart_by_thread():
    a = launch.scratch("test", 10)
    assert a.ctypes.data % 64 == 0
    assert launch.scratch("test", 5) is a
    assert launch.scratch("test", 5000).size >= 5000
    other = []
    t = threading.Thread(target=lambda: other.append(launch.scratch("test", 10)))
    t.start()
    t.join()
    assert not np.shares_memory(other[0], launch.scratch("test", 10))


def test_large_scratch_lies_in_memory_that_is_lent(monkeypatch):
    monkeypatch.setattr(launch, "_HUGE", 4 * 100)  # bytes
    outer, inner = np.empty(1100, np.float32), np.empty(300, np.float32)
    with launch.lent(lambda: (outer[1:],)):
        a, b = launch.scratch("lent a", 400), launch.scratch("lent b", 500)
        assert np.shares_memory(a, outer)
        assert np.shares_memory(b, outer)
        assert not np.shares_memory(a, b)
        assert a.ctypes.data % 64 == b.ctypes.data % 64 == 0
        assert launch.scratch("lent a", 300) is a
        assert not np.shares_memory(launch.scratch("small", 99), outer)
        with launch.lent(lambda: (inner,)):
            assert np.shares_memory(launch.scratch("lent c", 200), inner)
            assert np.shares_memory(launch.scratch("lent d", 130), outer)
            own = launch.scratch("lent e", 150)
            assert not np.shares_memory(own, inner)
            assert not np.shares_memory(own, outer)
        assert np.shares_memory(launch.scratch("lent f", 130), outer)  # given back by "lent d"
        assert launch.scratch("lent e", 150) is own  # there is one as large
    assert not np.shares_memory(launch.scratch("lent a", 400), outer)


PRELUDE = """
import os, threading
import numpy as np, numba
from caffelike.kernels import launch
from caffelike.kernels.cpu.gemm import gemm

def work():
    a = np.ones((200, 200), np.float32)
    c = np.empty_like(a)
    for _ in range(20):
        gemm(a, a, c, False, False, 0)
        assert (c == 200).all()
"""


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_omp_num_threads_is_honoured():
    assert run("print(launch.get_num_threads())", OMP_NUM_THREADS="1") == ["1"]


@two
@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_every_threading_layer_bears_concurrent_launches(layer):
    code = """
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(numba.threading_layer())
"""
    assert run(code, NUMBA_THREADING_LAYER=layer) == [layer]


@two
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_fork_kernels_run_serial():
    code = """
work()
child = os.fork()
if child == 0:
    work()
    try:
        launch.set_num_threads(2)
    except ValueError:
        os._exit(launch.get_num_threads())
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
work()
"""
    assert run(code) == ["1"]


def test_fewer_threads_than_there_are_repeat_launches_too():
    code = """
from caffelike.kernels.replay import Replay
launch.set_num_threads(2)
a, c, calls = np.ones((200, 200), np.float32), np.empty((200, 200), np.float32), []
def product():
    calls.append(numba.get_num_threads())
    gemm(a, a, c, False, False, 0)
replay = Replay(product, ())
for k in range(4):
    a[...] = k
    replay()
    assert (c == 200 * k * k).all()
print(len(calls), numba.get_num_threads())
"""
    assert run(code, NUMBA_NUM_THREADS="3") == ["2", "3"]

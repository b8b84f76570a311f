import threading

import numpy as np
import pytest

from caffelike.kernels import launch
from caffelike.kernels.cpu import choice, convolution
from caffelike.kernels.launch import by_hand, scratch, task
from caffelike.kernels.replay import Replay


@task
def _add(worker, lo, hi, x, y, sums, number):
    """y = x + number; sums: how many items each call had, for two chunks at most."""
    for i in range(lo, hi):
        y[i] = x[i] + number
    sums[lo // 50] += hi - lo


class Adder:
    """A function that launches two tasks, and counts how often Python came by."""

    def __init__(self, more=None):
        self.calls, self.more = 0, more
        self.x, self.y, self.z = (np.zeros(100, np.float32) for _ in range(3))
        self.sums = np.zeros(2, np.int64)

    def __call__(self, number):
        self.calls += 1
        _add(100, 50, self.x, self.y, self.sums, number)
        _add(100, 50, self.y, self.z, self.sums, 2 * number)
        if self.more:
            self.more()


@pytest.fixture
def adder():
    function = Adder()
    return function, Replay(function, (1.5,))


def runs(function, replay, calls, times=4):
    """Run it so many times: the numbers are right, and Python did `calls` of it."""
    before = function.calls
    for i in range(times):
        function.x[:] = np.arange(100) * i
        function.z[:], function.sums[:] = -1, 0
        replay()
        np.testing.assert_array_equal(function.z, function.x + 4.5)
        np.testing.assert_array_equal(function.sums, 100)
    assert function.calls - before == calls


@pytest.mark.parametrize("threads", [1, 2])
def test_from_the_third_time_on_no_python_runs(adder, threads):
    before = launch.get_num_threads()
    if before < threads:
        pytest.skip("one processor")
    launch.set_num_threads(threads)
    runs(*adder, 2)
    runs(*adder, 0)
    launch.set_num_threads(before)


def test_what_launches_depend_on_makes_it_start_anew(adder):
    runs(*adder, 2)
    launch.set_num_threads(launch.get_num_threads())
    runs(*adder, 2)
    choice.set_direct(True)
    choice.set_direct(False)
    runs(*adder, 2)
    scratch("test of replay", 100)
    runs(*adder, 2)
    scratch("test of replay", 50)
    runs(*adder, 0)


def test_each_thread_has_launches_of_its_own(adder):
    runs(*adder, 2)
    other = threading.Thread(target=runs, args=(*adder, 2))
    other.start()
    other.join()
    runs(*adder, 2)


def test_what_is_done_by_hand_is_never_left_out():
    function = Adder(more=by_hand)
    runs(function, Replay(function, (1.5,)), 4)


def test_an_error_ends_no_more_than_the_call():
    def fail():
        if function.calls == 2:
            raise ValueError("once")

    function = Adder(more=fail)
    replay = Replay(function, (1.5,))
    replay()
    with pytest.raises(ValueError, match="once"):
        replay()
    runs(function, replay, 1)


SHAPES = {  # of x, of the weights; stride, pad, groups
    "lanes": ((40, 1, 12, 12), (20, 1, 5, 5), 1, 0, 1),
    "Winograd": ((2, 32, 16, 16), (40, 32, 3, 3), 1, 1, 1),
    "1x1": ((2, 16, 14, 14), (24, 16, 1, 1), 1, 0, 1),
    "1x1, stride 2": ((1, 16, 14, 14), (24, 16, 1, 1), 2, 0, 1),
    "sliding": ((1, 5, 15, 13), (17, 5, 7, 7), 2, 3, 1),
    "depthwise": ((2, 5, 14, 13), (5, 1, 3, 3), 1, 1, 5),
    "volumes": ((2, 2, 4, 5, 6), (4, 2, 3, 2, 3), 1, 1, 1),
}


@pytest.mark.parametrize("case", SHAPES)
def test_convolutions_see_the_values_of_the_moment(case):
    shape, kernels, stride, pad, group = SHAPES[case]
    axes = len(shape) - 2
    window = (kernels[2:], (stride,) * axes, (pad,) * axes, (1,) * axes, group)
    rng = np.random.default_rng(3)
    out = tuple((n + 2 * pad - k) // stride + 1 for n, k in zip(shape[2:], kernels[2:], strict=True))
    x, w, b, y = (np.empty(s, np.float32) for s in (shape, kernels, kernels[:1], (shape[0], kernels[0], *out)))
    dx, dw, db, dy = (np.empty_like(a) for a in (x, w, b, y))
    backward = Replay(convolution.backward, (dy, x, w, dx, dw, db, *window, 0))
    forward = Replay(convolution.forward_packed, (x, w, None, b, y, *window, True, False, None))
    for _ in range(4):
        for array in (x, w, b, dy):
            array[...] = rng.standard_normal(array.shape)
        forward()
        backward()
        got = [a.copy() for a in (y, dx, dw, db)]
        convolution.forward_packed(x, w, None, b, y, *window, True)
        convolution.backward(dy, x, w, dx, dw, db, *window, 0)
        for values, wanted in zip(got, (y, dx, dw, db), strict=True):
            np.testing.assert_array_equal(values, wanted)

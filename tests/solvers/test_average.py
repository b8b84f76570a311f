"""Averaged weights against numbers worked out by hand."""

import numpy as np
import pytest

import caffelike


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        (0.9, [9 / 11, 75 / 44, 372 / 143]),  # decays 2/11, 3/12, 4/13: all below 0.9
        (0.2, [9 / 11, 0.2 * 9 / 11 + 0.8 * 2, 0.04 * 9 / 11 + 0.16 * 2 + 0.8 * 3]),  # 0.2 from the second on
    ],
)
def test_the_average_by_hand(solver, decay, expected):
    made = solver(f"average_decay: {decay}")
    (average,) = made.listeners
    made.net.arena_data[...] = 0
    average.restore({})
    for weight, value in zip((1, 2, 3), expected, strict=True):
        made.net.arena_data[...] = weight
        average.after_update(made)
        assert average.state()["average"] == pytest.approx(value, rel=1e-6)


def test_tests_see_the_average_and_training_the_weights(solver, folder):
    fields = "test_iter: 2 test_interval: 4"
    plain, averaged = solver(fields), solver(f"{fields} average_decay: 0.9")
    for made in (plain, averaged):
        made.step(4)
    assert (plain.net.arena_data == averaged.net.arena_data).all()
    with averaged.tested_weights():
        inside = averaged.net.arena_data.copy()
        assert (averaged.test_nets[0].params["ip1"][0].data == averaged.net.params["ip1"][0].data).all()
    assert (inside == averaged.listeners[0].state()["average"]).all()
    assert (inside != averaged.net.arena_data).any()
    by_hand = caffelike.Net("net.prototxt", caffelike.TEST)
    averaged.snapshot()
    by_hand.copy_from("solver_iter_4_average.caffemodel")
    losses = [by_hand.run_forward() for _ in range(4)][2:]  # the first test took the first two batches
    fresh = solver(f"{fields} average_decay: 0.9")
    fresh.restore("solver_iter_4.solverstate")
    assert fresh.test()["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("form", ["HDF5", "BINARYPROTO"])
def test_snapshots_hold_both_and_a_resumed_run_ends_with_the_same_bits(solver, folder, form):
    fields = f"average_decay: 0.9 snapshot_format: {form}"
    whole = solver(fields)
    whole.step(9)
    part = solver(fields)
    part.step(4)
    state = part.snapshot()
    tail = ".h5" if form == "HDF5" else ""
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    net.copy_from(f"solver_iter_4_average.caffemodel{tail}")
    assert (net.arena_data == part.listeners[0].state()["average"]).all()
    net.copy_from(f"solver_iter_4.caffemodel{tail}")
    assert (net.arena_data == part.net.arena_data).all()
    resumed = solver(fields)
    resumed.restore(state)
    resumed.step(5)
    assert (resumed.net.arena_data == whole.net.arena_data).all()
    assert (resumed.listeners[0].state()["average"] == whole.listeners[0].state()["average"]).all()


def test_a_snapshot_asked_for_while_testing_holds_the_trained_weights(solver, folder):
    made = solver("test_iter: 2 test_interval: 4 average_decay: 0.9")
    made.step(3)
    trained = made.net.arena_data.copy()
    requests = iter(["snapshot"])
    made.action = lambda: next(requests, None)
    made.test()
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    net.copy_from("solver_iter_3.caffemodel")
    assert (net.arena_data == trained).all()
    assert (made.net.arena_data == trained).all()


def test_off_by_default(solver, folder):
    made = solver()
    assert made.listeners == []
    made.step(1)
    made.snapshot()
    assert not list(folder.glob("*_average*"))

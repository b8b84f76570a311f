"""Early stopping and the best weights, on scores made up."""

import math

import numpy as np
import pytest

import caffelike
from caffelike.errors import SolverError

TESTED = "test_iter: 1 test_interval: 1"


def feed(solver, scores, name="accuracy"):
    """Let the first test of an iteration give each score in turn; the iterations at which a test was run."""
    left, ran = iter(scores), []

    def fake(index):
        ran.append(solver.iter)
        return {name: np.array(next(left))}

    solver._scores = fake
    return ran


def test_early_stop_after_so_many_tests_without_a_better_score(solver, log_lines):
    made = solver(f"{TESTED} early_stop: 3 max_iter: 20 snapshot_after_train: false")
    ran = feed(made, [0.1, 0.5, 0.5, 0.4, 0.6, 0.6, math.nan, 0.2, 0.9])
    made.solve()
    assert ran == [0, 1, 2, 3, 4, 5, 6, 7]
    assert made.iter == 7
    lines = log_lines()
    assert "Early stop: accuracy has not improved in 3 tests; the best was 0.6, at iteration 4." in lines
    assert "Optimization stopped early." in lines


def test_losses_should_fall(solver):
    made = solver(f'{TESTED} early_stop: 2 max_iter: 20 score: "loss" snapshot_after_train: false')
    ran = feed(made, [3, 2, 2.5, 1, 1, 1], "loss")
    made.solve()
    assert ran[-1] == 5
    assert (made.listeners[0].value, made.listeners[0].iteration) == (1, 3)


def test_score_mode_turns_it_round(solver):
    made = solver(f'{TESTED} early_stop: 1 max_iter: 20 score_mode: "min" snapshot_after_train: false')
    assert feed(made, [0.5, 0.4, 0.45], "accuracy") == []
    made.solve()
    assert made.iter == 2


def test_the_best_weights_are_kept(solver, folder, log_lines):
    made = solver(f"{TESTED} keep_best: true max_iter: 4 snapshot_after_train: false")
    feed(made, [0.1, 0.9, 0.3, 0.9, 0.2])
    made.step(2)
    best = made.net.arena_data.copy()  # those of iteration 2 now; the best were those of iteration 1
    made.step(2)
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    net.copy_from("solver_best.caffemodel")
    fresh = solver("")
    fresh.step(1)
    assert (net.arena_data == fresh.net.arena_data).all()
    assert (net.arena_data != best).any()
    assert "Snapshotting to binary proto file solver_best.caffemodel (accuracy = 0.9)" in log_lines()


def test_with_an_average_the_best_weights_are_averaged_ones(solver, folder):
    made = solver(f"{TESTED} keep_best: true average_decay: 0.9 snapshot_format: HDF5")
    feed(made, [0.1, 0.2, 0.3, 0.4, 0.5])
    made.step(4)
    average = next(one for one in made.listeners if hasattr(one, "shown"))
    made.test()
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    net.copy_from("solver_best.caffemodel.h5")
    assert (net.arena_data == average.state()["average"]).all()


def test_a_resumed_run_remembers_the_best(solver):
    fields = f"{TESTED} keep_best: true early_stop: 3"
    made = solver(fields)
    feed(made, [0.1, 0.9, 0.3])
    made.step(3)
    resumed = solver(fields)
    resumed.restore(made.snapshot())
    assert resumed.listeners[0].state() == {"value": 0.9, "iteration": 1, "tests_since": 1}


def test_a_full_disk_does_not_end_the_training(solver, folder, log_lines):
    (folder / "snaps").mkdir()
    made = solver(f'{TESTED} keep_best: true snapshot_prefix: "snaps/a"')
    (folder / "snaps").rmdir()
    made.step(2)
    assert any(line.startswith("The best weights are not kept, training goes on.") for line in log_lines())


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ("early_stop: 2", "need a test net"),
        (f'{TESTED} keep_best: true score: "acuracy"', "no output 'acuracy'; its outputs are accuracy, loss"),
        (f'{TESTED} keep_best: true score_mode: "up"', "score_mode is max or min, not 'up'"),
        (f'{TESTED} keep_best: true snapshot_prefix: ""', "keep_best needs a place"),
        ("early_stop: -1", "early_stop must not be negative"),
        ("gradient_scale: 0", "gradient_scale must be greater than 0"),
        ("average_decay: 1", "average_decay should lie between 0 and 1"),
    ],
)
def test_impossible_options(solver, extra, text):
    with pytest.raises(SolverError, match=text):
        solver(extra)

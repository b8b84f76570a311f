"""Reduce on plateau: losses made up, steps worked out by hand."""

from types import SimpleNamespace

import pytest

from caffelike.schema import SolverParameter
from caffelike.solvers.plateau import Plateau


def steps(losses, **fields):
    """current_step after each iteration's loss."""
    solver = SimpleNamespace(param=SolverParameter(plateau_winsize=[3, 2], **fields), current_step=0, iter=0)
    plateau, found = Plateau(solver), []
    for solver.iter, solver.smoothed_loss in enumerate(losses):
        plateau.before_update(solver)
        found.append(solver.current_step)
    return found


def test_steps_come_a_window_after_the_last_minimum_or_step():
    # Minima at 0, 1, 2; three later, at 5, the first step; two after that the second, and the last.
    assert steps([9, 8, 7, 7, 8, 7, 8, 9, 9, 9, 9]) == [0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_a_new_minimum_starts_the_window_anew():
    assert steps([9, 9, 8, 8, 8, 7, 7, 7, 7]) == [0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_losses_while_warming_up_do_not_count():
    assert steps([1, 1, 5, 5, 5, 5], warmup_iter=2) == [0, 0, 0, 0, 0, 1]


def test_nan_is_no_minimum():
    assert steps([9] + [float("nan")] * 3) == [0, 0, 0, 1]


def test_in_a_solver_and_after_a_resume(solver, log_lines):
    fields = 'lr_policy: "plateau" gamma: 0.5 plateau_winsize: 2 plateau_winsize: 3 base_lr: 0 display: 1'
    whole = solver(fields)  # at rate 0 the loss of the 8-record batches goes up and down, but never falls for long
    whole.step(12)
    resumed = solver(fields)
    resumed.step(2)
    state = resumed.snapshot()
    again = solver(fields)
    again.restore(state)
    again.step(10)
    assert again.current_step == whole.current_step > 0
    assert again.listeners[0].state() == whole.listeners[0].state()
    assert any(line.startswith("Plateau Status: Iteration ") for line in log_lines())


def test_the_rate_follows(solver):
    made = solver('lr_policy: "plateau" gamma: 0.5 plateau_winsize: 2 min_lr: 0.03')
    rates = []
    for made.current_step in range(4):
        rates.append(made.lr)
    assert rates == pytest.approx([0.1, 0.05, 0.03, 0.03])

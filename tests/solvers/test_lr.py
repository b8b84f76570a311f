"""Learning-rate policies against numbers worked out by hand from Caffe's formulas."""

import math

import pytest

from caffelike.errors import SolverError
from caffelike.schema import SolverParameter
from caffelike.solvers import lr


def parameters(**fields):
    return SolverParameter(base_lr=0.1, **fields)


@pytest.mark.parametrize(
    ("fields", "iteration", "expected"),
    [
        ({"lr_policy": "fixed"}, 1000, 0.1),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 9, 0.1),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 10, 0.05),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 35, 0.0125),
        ({"lr_policy": "exp", "gamma": 0.9}, 2, 0.081),
        ({"lr_policy": "inv", "gamma": 1.0, "power": 0.5}, 3, 0.05),
        ({"lr_policy": "poly", "power": 2.0, "max_iter": 4}, 1, 0.05625),
        ({"lr_policy": "poly", "power": 0.5, "max_iter": 4}, 9, 0.0),
        ({"lr_policy": "sigmoid", "gamma": -0.5, "stepsize": 4}, 4, 0.05),
        ({"lr_policy": "sigmoid", "gamma": 0.5, "stepsize": 4}, 6, 0.1 / (1 + math.exp(-1))),
        ({"lr_policy": "cosine", "max_iter": 8}, 0, 0.1),
        ({"lr_policy": "cosine", "max_iter": 8}, 4, 0.05),
        ({"lr_policy": "cosine", "max_iter": 9}, 3, 0.075),  # cos(pi / 3) = 1/2
        ({"lr_policy": "cosine", "max_iter": 9, "min_lr": 0.02}, 6, 0.04),  # 0.02 + 0.08 * (1 - 1/2) / 2
        ({"lr_policy": "cosine", "max_iter": 9, "min_lr": 0.02}, 20, 0.02),
        ({"lr_policy": "cosine", "max_iter": 10, "warmup_iter": 4}, 7, 0.05),  # half way from 4 to 10
        ({"lr_policy": "fixed", "warmup_iter": 4}, 0, 0.0),
        ({"lr_policy": "fixed", "warmup_iter": 4, "warmup_start_lr": 0.02}, 1, 0.04),
        ({"lr_policy": "fixed", "warmup_iter": 4, "warmup_start_lr": 0.02}, 4, 0.1),
        ({"lr_policy": "poly", "power": 1.0, "max_iter": 10, "warmup_iter": 4}, 5, 0.05),  # iterations count from 0
        ({"lr_policy": "poly", "power": 2.0, "max_iter": 4, "min_lr": 0.02}, 1, 0.065),  # 0.02 + 0.08 * 9 / 16
        ({"lr_policy": "poly", "power": 2.0, "max_iter": 4, "min_lr": 0.02}, 9, 0.02),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10, "min_lr": 0.03}, 35, 0.03),
        ({"lr_policy": "fixed", "rampup_interval": 4, "rampup_lr": 0.02}, 0, 0.02),
        ({"lr_policy": "fixed", "rampup_interval": 4, "rampup_lr": 0.02}, 2, 0.04),  # 0.02 + 0.08 / 4
        ({"lr_policy": "fixed", "rampup_interval": 4, "rampup_lr": 0.02}, 4, 0.1),
    ],
)
def test_policy(fields, iteration, expected):
    assert lr.rate(parameters(**fields), iteration, 0) == pytest.approx(expected, rel=1e-6)


def test_multifixed_has_a_rate_for_each_stage_and_needs_no_base():
    p = SolverParameter(lr_policy="multifixed", stagelr=[0.5, 0.25, 0.125], stageiter=[10, 20, 30])
    lr.check(p)
    assert [lr.rate(p, i, 0) for i in (0, 10, 11, 20, 21, 30, 31)] == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125]


def test_the_rate_is_a_float32():
    assert lr.rate(parameters(lr_policy="fixed"), 0, 0) == 0.10000000149011612


def test_multistep_takes_one_step_an_iteration_even_when_several_are_due():
    p = parameters(lr_policy="multistep", gamma=0.1, stepvalue=[3, 5])
    assert [lr.next_step(p, i, 0) for i in (0, 2, 3, 9)] == [0, 0, 1, 1]
    assert [lr.next_step(p, i, 1) for i in (4, 5, 9)] == [1, 2, 2]
    assert lr.next_step(p, 9, 2) == 2
    assert lr.rate(p, 9, 2) == pytest.approx(0.001)


def test_no_step_is_taken_while_warming_up():
    p = parameters(lr_policy="multistep", gamma=0.1, stepvalue=[3, 9], warmup_iter=5)
    assert [lr.next_step(p, i, 0) for i in (3, 4, 5)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"lr_policy": "cosine"}, "needs max_iter"),
        ({"lr_policy": "plateau", "gamma": 0.5}, "needs plateau_winsize"),
        ({"lr_policy": "multifixed", "stagelr": [0.1]}, "needs stageiter"),
        ({"lr_policy": "multifixed", "stagelr": [0.1], "stageiter": [1, 2]}, "stageiter 2 times"),
        ({"lr_policy": "fixed", "min_lr": -0.01}, "min_lr must not be negative"),
        ({"lr_policy": "fixed", "warmup_iter": 1, "rampup_interval": 1}, "Keep one"),
        ({"lr_policy": "fixed", "local_lr_auto": True, "larc": True}, "Keep one"),
        ({"lr_policy": "fixed", "larc": True, "larc_policy": "cut"}, "scale or clip, but is cut"),
    ],
)
def test_fields_of_the_newer_policies(fields, text):
    with pytest.raises(SolverError, match=text):
        lr.check(parameters(**fields))


@pytest.mark.parametrize(
    ("fields", "lr_mult", "norms", "expected"),
    [
        ({}, 2, (3, 4), 1.0),
        ({"local_lr_auto": True}, 2, (3, 4), 0.5 * 0.001 * 3 / 4),  # lr_mult only says whether
        ({"local_lr_auto": True, "weight_decay": 0.5, "local_gw_ratio": 0.1}, 1, (4, 2), 0.5 * 0.1 * 4 / (2 + 0.5 * 4)),
        ({"local_lr_auto": True}, 0, (3, 4), 0.0),
        ({"local_lr_auto": True}, 1, (0, 4), 0.5),
        ({"local_lr_auto": True}, 1, (3, 0), 0.5),
        ({"larc": True, "weight_decay": 0.5}, 1, (4, 2), 0.5 * 0.001 * 2),
        ({"larc": True, "larc_eta": 0.1, "larc_policy": "clip"}, 1, (4, 2), 0.2),
        ({"larc": True, "larc_eta": 0.5, "larc_policy": "clip"}, 1, (4, 2), 0.5),
        ({"larc": True, "larc_policy": "clip"}, 0, (4, 2), 0.0),
    ],
)
def test_rates_of_parameters(fields, lr_mult, norms, expected):
    p = parameters(lr_policy="fixed", **fields)
    lr.check(p)
    assert lr.local(p, 0.5, lr_mult, *norms) == pytest.approx(expected, rel=1e-6)


def test_step_stores_its_number_of_steps():
    assert lr.next_step(parameters(lr_policy="step", gamma=0.1, stepsize=10), 25, 0) == 2


def test_a_rate_too_large_for_a_float_is_infinite():
    assert lr.rate(parameters(lr_policy="exp", gamma=10.0), 100_000, 0) == math.inf


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"lr_policy": "cosin"}, "Unknown learning rate policy: cosin. Known policies: fixed, step"),
        ({}, "lr_policy is missing"),
        ({"lr_policy": "exp"}, "needs gamma"),
        ({"lr_policy": "step", "gamma": 1, "stepsize": 0}, "stepsize must be greater than 0, but is 0"),
        ({"lr_policy": "inv", "gamma": -1, "power": 1}, "gamma must not be negative"),
    ],
)
def test_impossible_policies(fields, text):
    with pytest.raises(SolverError, match=text):
        lr.check(parameters(**fields))


def test_base_lr_is_needed():
    with pytest.raises(SolverError, match="needs base_lr"):
        lr.check(SolverParameter(lr_policy="fixed"))

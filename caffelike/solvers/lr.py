"""Learning-rate policies: the rate of an iteration from the solver's `lr_policy` and its fields.

A policy is a function (parameters, iteration, step) -> rate, registered under its name with `@policy`.
`step` is the number of steps taken so far (`current_step` of a .solverstate); only multistep and plateau read it.
In the first `warmup_iter` iterations no policy is asked: the rate rises from warmup_start_lr to base_lr.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.errors import SolverError

Policy = Callable[[Any, int, int], float]
policies: dict[str, Policy] = {}
_needs: dict[str, tuple[str, ...]] = {}


def policy(*needs: str, base: bool = True) -> Callable[[Policy], Policy]:
    """Decorator that registers a function as the policy of its name; `needs`: fields that must be given.

    base: base_lr is one of them.
    """

    def enter(function: Policy) -> Policy:
        policies[function.__name__] = function
        _needs[function.__name__] = ("base_lr", *needs) if base else needs
        return function

    return enter


@policy()
def fixed(p: Any, iteration: int, step: int) -> float:
    """base_lr"""
    return p.base_lr


@policy("gamma", "stepsize")
def step(p: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ floor(iteration / stepsize)"""
    return p.base_lr * _power(p.gamma, iteration // p.stepsize)


@policy("gamma")
def exp(p: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ iteration"""
    return p.base_lr * _power(p.gamma, iteration)


@policy("gamma", "power")
def inv(p: Any, iteration: int, step: int) -> float:
    """base_lr * (1 + gamma * iteration) ^ -power"""
    return p.base_lr * _power(1 + p.gamma * iteration, -p.power)


@policy("gamma")
def multistep(p: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ step, where a step is taken at every `stepvalue`"""
    return p.base_lr * _power(p.gamma, step)


@policy("power")
def poly(p: Any, iteration: int, step: int) -> float:
    """base_lr * (1 - iteration / max_iter) ^ power; 0 from max_iter on"""
    return p.base_lr * _power(max(0.0, 1 - iteration / p.max_iter), p.power) if p.max_iter > 0 else 0.0


@policy("gamma", "stepsize")
def sigmoid(p: Any, iteration: int, step: int) -> float:
    """base_lr / (1 + exp(-gamma * (iteration - stepsize)))"""
    return p.base_lr / (1 + _power(math.e, -p.gamma * (iteration - p.stepsize)))


@policy("max_iter")
def cosine(p: Any, iteration: int, step: int) -> float:
    """min_lr + (base_lr - min_lr) * (1 + cos(pi * t)) / 2, where t goes from 0 (at warmup_iter) to 1 (at max_iter)"""
    t = (iteration - p.warmup_iter) / max(1, p.max_iter - p.warmup_iter)
    return p.min_lr + (p.base_lr - p.min_lr) * (1 + math.cos(math.pi * min(1.0, t))) / 2


@policy("gamma", "plateau_winsize")
def plateau(p: Any, iteration: int, step: int) -> float:
    """base_lr * gamma ^ step, where a step is taken when the loss has not fallen for plateau_winsize iterations"""
    return max(p.min_lr, p.base_lr * _power(p.gamma, step))


@policy("stagelr", "stageiter", base=False)
def multifixed(p: Any, iteration: int, step: int) -> float:
    """the first stagelr whose stageiter is not below the iteration; the last one after all of them"""
    return next((lr for lr, end in zip(p.stagelr, p.stageiter, strict=True) if iteration <= end), p.stagelr[-1])


def _warm_up(p: Any, iteration: int) -> float:
    """From warmup_start_lr to base_lr in a straight line; as in the Intel fork."""
    return (iteration * p.base_lr + (p.warmup_iter - iteration) * p.warmup_start_lr) / p.warmup_iter


def _power(base: float, exponent: float) -> float:
    """base ^ exponent, with infinity where it is too large for a float."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):  # 0 ^ negative, negative ^ fraction
        return math.inf if base == 0 else math.nan


def check(p: Any) -> None:
    """Raise SolverError unless the policy exists and its fields make sense."""
    if p.lr_policy not in policies:
        what = f"Unknown learning rate policy: {p.lr_policy}." if p.lr_policy else "lr_policy is missing."
        raise SolverError(f"{what} Known policies: {', '.join(policies)}.")
    given = {field.name for field, _ in p.ListFields()}
    for field in _needs[p.lr_policy]:
        if field not in given:
            raise SolverError(
                f'lr_policy "{p.lr_policy}" ({policies[p.lr_policy].__doc__}) needs {field}, which the solver does'
                " not set."
            )
    if "stepsize" in _needs[p.lr_policy] and p.stepsize <= 0:
        raise SolverError(f"stepsize must be greater than 0, but is {p.stepsize}.")
    if "gamma" in _needs[p.lr_policy] and p.gamma < 0:
        raise SolverError(f"gamma must not be negative, but is {p.gamma:g}.")
    if p.lr_policy == "multifixed" and len(p.stagelr) != len(p.stageiter):
        raise SolverError(f"stagelr is given {len(p.stagelr)} times, but stageiter {len(p.stageiter)} times.")
    if p.min_lr and p.lr_policy not in ("cosine", "plateau"):
        raise SolverError(f'min_lr is for lr_policy "cosine" and "plateau"; "{p.lr_policy}" does not know it.')


def next_step(p: Any, iteration: int, step: int) -> int:
    """`current_step` for this iteration: multistep moves on by at most one per iteration, as Caffe does."""
    if iteration < p.warmup_iter:
        return step
    if p.lr_policy == "multistep":
        return step + (step < len(p.stepvalue) and iteration >= p.stepvalue[step])
    return iteration // p.stepsize if p.lr_policy == "step" else step


def rate(p: Any, iteration: int, step: int) -> float:
    """The learning rate of `iteration` as float32 holds it. Raises SolverError for an unknown policy."""
    if iteration < p.warmup_iter:
        return float(np.float32(_warm_up(p, iteration)))
    return float(np.float32(policies[p.lr_policy](p, iteration, step)))

"""Learning-rate policies: the rate of an iteration from the solver's `lr_policy` and its fields.

A policy is a function (parameters, iteration, step) -> rate, registered under its name with `@policy`.
`step` is the number of steps taken so far (`current_step` of a .solverstate); only multistep and plateau read it.
In the first `warmup_iter` or `rampup_interval` iterations no policy is asked: the rate rises to base_lr. No policy's
rate is below `min_lr`. `local` is the rate of one parameter: by its lr_mult, or by the lengths of its weights and its
gradient.
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
    """min_lr + (base_lr - min_lr) * (1 - iteration / max_iter) ^ power; min_lr (0) from max_iter on"""
    left = _power(max(0.0, 1 - iteration / p.max_iter), p.power) if p.max_iter > 0 else 0.0
    return p.min_lr + (p.base_lr - p.min_lr) * left


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
    return p.base_lr * _power(p.gamma, step)


@policy("stagelr", "stageiter", base=False)
def multifixed(p: Any, iteration: int, step: int) -> float:
    """the first stagelr whose stageiter is not below the iteration; the last one after all of them"""
    return next((lr for lr, end in zip(p.stagelr, p.stageiter, strict=True) if iteration <= end), p.stagelr[-1])


def _warming_up(p: Any, iteration: int) -> bool:
    return iteration < max(p.warmup_iter, p.rampup_interval)


def _warm_up(p: Any, iteration: int) -> float:
    """From warmup_start_lr to base_lr in a straight line, as in Intel's fork; or by rampup_lr's parabola, NVIDIA's."""
    if p.rampup_interval:
        return p.rampup_lr + (p.base_lr - p.rampup_lr) * (iteration / p.rampup_interval) ** 2
    return (iteration * p.base_lr + (p.warmup_iter - iteration) * p.warmup_start_lr) / p.warmup_iter


def needs_norms(p: Any) -> bool:
    """Whether `local` asks for the lengths of weights and gradients."""
    return p.local_lr_auto or p.larc


def local(p: Any, rate: float, lr_mult: float, weights: float = 0, gradient: float = 0) -> float:
    """The rate of one parameter; weights, gradient: their L2 norms, see `needs_norms`.

    rate * lr_mult, but where lr_mult is not 0 and both norms are not: local_lr_auto, rate * local_gw_ratio (0.001) *
    weights / (gradient + weight_decay * weights); larc, r = larc_eta (0.001) * weights / gradient: rate * r with
    larc_policy "scale", min(rate, r) with "clip". A norm of 0 counts as r = 1. gradient: of the mean over iter_size,
    clipped, without weight decay.
    Source: You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017, as Intel's and NVIDIA's
    forks have it.
    """
    if not needs_norms(p) or lr_mult <= 0:
        return rate * lr_mult
    ratio = 1.0
    if weights > 0 and gradient > 0:
        ratio = (
            p.larc_eta * weights / gradient
            if p.larc
            else p.local_gw_ratio * weights / (gradient + p.weight_decay * weights)
        )
    return min(rate, ratio) if p.larc and p.larc_policy == "clip" else rate * ratio


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
    if p.min_lr < 0:
        raise SolverError(f"min_lr must not be negative, but is {p.min_lr:g}.")
    if p.warmup_iter and p.rampup_interval:
        raise SolverError("warmup_iter and rampup_interval say the same in two ways. Keep one of them.")
    if p.local_lr_auto and p.larc:
        raise SolverError("local_lr_auto and larc are two rules for the rates of parameters. Keep one of them.")
    if p.larc_policy not in ("scale", "clip"):
        raise SolverError(f"larc_policy must be scale or clip, but is {p.larc_policy}.")


def next_step(p: Any, iteration: int, step: int) -> int:
    """`current_step` for this iteration: multistep moves on by at most one per iteration, as Caffe does."""
    if _warming_up(p, iteration):
        return step
    if p.lr_policy == "multistep":
        return step + (step < len(p.stepvalue) and iteration >= p.stepvalue[step])
    return iteration // p.stepsize if p.lr_policy == "step" else step


def rate(p: Any, iteration: int, step: int) -> float:
    """The learning rate of `iteration` as float32 holds it. Raises SolverError for an unknown policy."""
    if _warming_up(p, iteration):
        return float(np.float32(_warm_up(p, iteration)))
    found = policies[p.lr_policy](p, iteration, step)
    return float(np.float32(p.min_lr if found < p.min_lr else found))

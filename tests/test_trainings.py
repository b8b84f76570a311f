"""Models that are there to be trained: each learns for some iterations on made data, by its own solver and net."""

import subprocess
import sys

import numpy as np
import pytest

from caffelike import hub
from caffelike.data.writing import write_lmdb
from caffelike.schema import text
from caffelike.schema.weights import write_mean
from caffelike.solvers import get_solver

MODELS = hub.root()
RNG = np.random.default_rng(0)


def classes(shape, count=40):
    """Pictures of ten classes, told by where they are bright, and their labels."""
    found = []
    for i in range(count):
        pixels = RNG.integers(0, 60, shape).astype(np.uint8)
        pixels[:, 2 * (i % 10) : 2 * (i % 10) + 6] += 150
        found.append((pixels, i % 10))
    return found


def pairs():
    """Two pictures as two channels; label 1 where both are of one class."""
    singles = classes((1, 28, 28))
    order = [(i, i + 10 if i % 2 else i + 11) for i in range(20)]
    return [(np.concatenate([singles[a][0], singles[b][0]]), int(a % 10 == b % 10)) for a, b in order]


CIFAR = {"cifar10_train_lmdb": lambda: classes((3, 32, 32)), "cifar10_test_lmdb": lambda: classes((3, 32, 32))}
DIGITS = {"mnist_train_lmdb": lambda: classes((1, 28, 28)), "mnist_test_lmdb": lambda: classes((1, 28, 28))}
PAIRS = {"mnist_siamese_train_lmdb": pairs, "mnist_siamese_test_lmdb": pairs}
# model, solver, data, base_lr (higher than the real one: there are few iterations), iterations
CASES = [
    ("cifar10_quick", "solver", CIFAR, 0.005, 25),
    ("cifar10_full", "solver", CIFAR, 0.005, 25),
    ("cifar10_full", "sigmoid_solver_bn", CIFAR, 0.05, 10),
    ("mnist_autoencoder", "solver", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_nesterov", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_adagrad", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_adadelta", DIGITS, 1.0, 10),
    ("mnist_siamese", "solver", PAIRS, 0.01, 15),
]


@pytest.mark.parametrize(("model", "solver", "data", "rate", "iterations"), CASES)
def test_it_learns(model, solver, data, rate, iterations, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, records in data.items():
        write_lmdb(name, records())
    write_mean("mean.binaryproto", np.full((3, 32, 32), 60, np.float32))
    path = MODELS / model / f"{solver}.prototxt"
    param = text.read_solver(path).message
    param.base_lr, param.random_seed, param.display, param.test_initialization = rate, 1, 0, False
    param.test_iter[:] = [1] * len(param.test_iter)
    trained = get_solver(param, filename=str(path))
    trained.step(1)
    first = trained.smoothed_loss
    trained.step(iterations)
    assert trained.smoothed_loss < 0.97 * first
    scores = trained.test(0)
    assert all(np.isfinite(values).all() for values in scores.values())
    trained.close()


@pytest.mark.parametrize("model", sorted({case[0] for case in CASES}))
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, MODELS / model / "define.py", "--check"], check=True)

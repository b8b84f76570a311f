"""examples/faster_rcnn.py: the nets learn, and their scores are counted right."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import caffelike

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """The example, with the path that Python sets for `python examples/faster_rcnn.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("faster_rcnn")


@pytest.mark.parametrize("head", ["rcnn", "rfcn"])
def test_training_lowers_the_loss(example, head, tmp_path):
    solver = example.solver(head, tmp_path, 60, example.shapes(4))
    losses = []
    for _ in range(60):
        solver.step(1)
        losses.append(sum(float(solver.net.blobs[name].data) for name in solver.net.outputs if "loss" in name))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-12:]) < 0.7 * np.mean(losses[:12])
    found = example.detect(
        caffelike.Net(str(tmp_path / "test.prototxt"), caffelike.TEST), example.shapes(1)[0]["image"]
    )
    assert [rows.shape[1] for rows in found] == [5, 5, 5]


def test_two_runs_are_the_same(example, tmp_path):
    weights = []
    for _ in range(2):
        solver = example.solver("rcnn", tmp_path, 3, example.shapes(2))
        solver.step(3)
        weights.append(solver.net.params["conv1"][0].data.copy())
    assert np.array_equal(*weights)


def test_average_precision(example):
    truth = [np.array([[0, 0, 9, 9], [20, 20, 29, 29]]), np.array([[0, 0, 9, 9]])]
    found = [np.array([[0, 0, 9, 9, 0.9], [0, 0, 9, 8, 0.7]]), np.array([[0, 0, 9, 9, 0.6], [50, 50, 59, 59, 0.8]])]
    # right at 0.9 (1 of 1), wrong at 0.8, a double at 0.7, right at 0.6 (2 of 4); one box of three is not found
    assert example.average_precision(found, truth) == pytest.approx((1 + 0.5) / 3)
    assert example.overlap(np.array([0, 0, 9, 9]), np.array([5, 0, 14, 9])) == pytest.approx(50 / 150)

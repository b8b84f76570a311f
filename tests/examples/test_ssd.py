"""examples/ssd.py: the net learns."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import caffelike

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("ssd_example", FOLDER / "ssd.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_training_lowers_the_loss(example, tmp_path):
    solver, records = example.solver(tmp_path, 30), example.shapes(4)
    losses = []
    example.feed(solver.net, records)
    for _ in range(30):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    test_net = caffelike.Net(str(tmp_path / "test.prototxt"), caffelike.TEST)
    test_net.share_with(solver.net)
    assert [rows.shape[1] for rows in example.detect(test_net, records[0]["image"])] == [5, 5, 5]

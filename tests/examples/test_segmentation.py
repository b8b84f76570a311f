"""examples/segmentation.py: labels fit the pictures, and each net begins to learn and predicts."""

import importlib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("segmentation")


def test_labels_mark_the_shapes(example):
    made = example.made
    picture = made.Picture(("red", "circle"), ("blue", "triangle"))
    pixels, labels = made.labelled(picture, np.random.default_rng(0))
    assert set(np.unique(labels)) == {0, 1, 3}
    for label, colour in ((1, "red"), (3, "blue")):
        assert (made.COLOURS[colour] == pixels[::-1, labels == label].T).all()
    assert ((pixels[:, labels == 0] >= 100) & (pixels[:, labels == 0] < 140)).all()
    assert np.array_equal(made.draw(picture, np.random.default_rng(0)), pixels)


@pytest.mark.parametrize("model", ["fcn", "segnet", "unet"])
def test_it_learns(example, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example.prepare(tmp_path, count=16, held=2)
    run = example.learner(model, tmp_path, 100)
    losses = []
    for _ in range(15):
        run.step(1)
        losses.append(run.smoothed_loss)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    net = example.predictor(model, run.net, example.read(tmp_path, "train")[0])
    data, labels = example.read(tmp_path, "val")
    said = example.say(net, data)
    assert said.shape == labels.shape
    assert 0 <= said.min() <= said.max() < len(example.CLASSES)
    run.close()

"""Models with a learning run under examples/: definitions are current, counts are told, and some steps lower the loss.

What the runs print in minutes stands in the models' READMEs; here each learns for a second or two.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffelike import hub
from caffelike.summary import describe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# model -> the example that prepares its data, iterations, changes of its solver, share of the loss that may be left
RUNS = {
    "char_lstm": ("char_lstm", 20, {}, 0.9),
    "mnist_denoiser": ("denoise", 20, {"test_initialization": False}, 0.5),
}


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.parametrize("model", RUNS)
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, hub.root() / model / "define.py", "--check"], check=True)


@pytest.mark.parametrize("model", RUNS)
def test_readme_tells_the_parameters(model):
    total = describe(hub.root() / model / "deploy.prototxt").totals["parameters"]
    assert f"{total:,}" in (hub.root() / model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", RUNS)
def test_it_learns(model, tmp_path):
    name, iterations, changes, left = RUNS[model]
    importlib.import_module(name).prepare(tmp_path)
    run = importlib.import_module("learning").solver(model, tmp_path, display=0, **changes)
    losses = []
    for _ in range(iterations):
        run.step(1)
        losses.append(run.smoothed_loss)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < left * np.mean(losses[:2])


def test_char_lstm_recites_what_the_net_says():
    """A net that always says the next letter of the alphabet."""
    recite = importlib.import_module("char_lstm").recite

    begun = []

    class Next:
        def forward(self, char, cont):
            begun.append(cont[0][0])
            prob = np.zeros((1, 1, 128))
            prob[0, 0, int(char[0][0]) + 1] = 1
            return {"prob": prob}

    assert recite(Next(), "xa", 5) == "xabcd"
    assert begun == [0, 1, 1, 1]


def test_siamese_pairs_and_threshold():
    siamese = importlib.import_module("siamese")
    labels = np.arange(30) % 10
    a, b, same = siamese.pairs(labels, 200, np.random.default_rng(0))
    assert same.sum() == 100
    assert ((labels[a] == labels[b]) == same).all()
    distance = np.array([0.1, 0.9, 0.3, 0.2, 0.6, 0.5])
    assert siamese.best_threshold(distance, distance < 0.4) == pytest.approx(0.4)
    # with 0.2 told wrong by any limit: below 0.4 two of three are the same, above none
    assert siamese.best_threshold(distance, np.isin(distance, [0.1, 0.3])) == pytest.approx(0.15)


def test_psnr_worked_example():
    psnr = importlib.import_module("denoise").psnr
    assert psnr(np.array([0.0, 1.0]), np.array([0.1, 0.9])) == pytest.approx(20)

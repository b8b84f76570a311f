"""Models with a learning run under examples/: definitions are current, counts are told, and some steps lower the loss.

What the runs print in minutes stands in the models' READMEs; here each learns for a second or two.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike import hub
from caffelike.summary import describe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# model -> the example that prepares its data (and has a narrow form of a large one), iterations, changes of its solver,
# share of the loss that may be left
RUNS = {
    "char_lstm": ("char_lstm", 12, {}, 0.9),
    "image_qa": ("answer", 30, {"base_lr": 0.005}, 0.9),
    "lrcn": ("caption", 60, {"base_lr": 0.005}, 0.7),
    "mnist_denoiser": ("denoise", 20, {"test_initialization": False}, 0.5),
}

PREPARED = {"image_qa": {"batches": 4}}  # how much data, where less will do
# Shapes of what comes from data bases
SHAPES = {
    "char_lstm": dict.fromkeys(("char", "cont", "next"), (50, 16)),
    "image_qa": {"features": (2, 1024)} | dict.fromkeys(("question", "cont", "answer"), (3, 2)),
    "lrcn": {"data": (2, 3, 227, 227)} | {f"{name}_sentence": (3, 2) for name in ("cont", "input", "target")},
    "mnist_denoiser": {"data": (60, 1, 28, 28)},
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
def test_training_definition_has_deploys_parameters(model):
    """And builds in both phases, with the data's shapes that it expects."""
    folder = hub.root() / model
    deploy = describe(folder / "deploy.prototxt")
    wanted = {row.name: row.parameters for row in deploy.layers if row.parameters}
    (path,) = folder.glob("train*.prototxt")
    for phase in (caffelike.TRAIN, caffelike.TEST):
        trained = describe(path, phase, SHAPES.get(model))
        assert wanted.items() <= {row.name: row.parameters for row in trained.layers}.items()
        assert any("Loss" in row.type for row in trained.layers)


@pytest.mark.parametrize("model", RUNS)
def test_it_learns(model, tmp_path):
    name, iterations, changes, left = RUNS[model]
    example = importlib.import_module(name)
    example.prepare(tmp_path, **PREPARED.get(model, {}))
    changes = getattr(example, "CHANGES", {}) | changes | {"display": 0}
    if hasattr(example, "narrow"):
        changes["net_param"] = example.narrow(True)
    run = importlib.import_module("learning").solver(model, tmp_path, **changes)
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


def test_caption_says_sentences_of_its_words():
    caption = importlib.import_module("caption")
    net = caffelike.Net.build(caption.narrow(False), caffelike.TEST)
    words = caption.say(net, np.zeros((3, 64, 64), np.uint8)).split()
    assert len(words) <= caption.STEPS
    assert set(words) <= set(caption.VOCABULARY)
    net.params["predict"][1].data[3] = 100  # now it says the fourth word, and never the end
    assert caption.say(net, np.zeros((3, 64, 64), np.uint8)) == " ".join(["of"] * caption.STEPS)


def test_answers_belong_to_their_questions():
    answer = importlib.import_module("answer")
    picture = answer.made.Picture(("red", "circle"), ("blue", "square"))
    rng = np.random.default_rng(0)
    assert {answer.ask(picture, rng) for _ in range(200)} == {
        ("what colour is the circle", "red"),
        ("what colour is the square", "blue"),
        ("what shape is the red", "circle"),
        ("what shape is the blue", "square"),
        ("what shape is on left", "circle"),
        ("what shape is on right", "square"),
        ("what colour is on left", "red"),
        ("what colour is on right", "blue"),
    }

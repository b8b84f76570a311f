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
    "c3d": ("action", 12, {"base_lr": 0.01}, 0.97),
    "char_lstm": ("char_lstm", 12, {}, 0.9),
    "grasp": ("grasp", 40, {}, 0.97),
    "image_qa": ("answer", 30, {"base_lr": 0.005}, 0.9),
    "lrcn": ("caption", 60, {"base_lr": 0.005}, 0.7),
    "m5": ("tones", 30, {}, 0.9),
    "mnist_denoiser": ("denoise", 20, {"test_initialization": False}, 0.5),
    "two_stream": ("action", 25, {}, 0.97),
}

PREPARED = {  # how much data, where less will do
    "c3d": {"count": 2, "model": "c3d"},
    "grasp": {"count": 64},
    "image_qa": {"batches": 4},
    "m5": {"count": 48},
    "two_stream": {"count": 16, "model": "two_stream"},
}
# Shapes of what comes from data bases
SHAPES = {
    "char_lstm": dict.fromkeys(("char", "cont", "next"), (50, 16)),
    "mnist_denoiser": {"data": (60, 1, 28, 28)},
}

NARROW = {"c3d", "grasp", "image_qa", "lrcn", "m5", "two_stream"}  # large: their narrow forms are built and learn
OTHERS = ["dqn", "style_transfer"]  # they have no data base: see the tests below


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def learned(run, iterations):
    """The loss of each iteration."""
    losses = []
    for _ in range(iterations):
        run.step(1)
        losses.append(run.smoothed_loss)
    return losses


@pytest.mark.parametrize("model", [*RUNS, *OTHERS])
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, hub.root() / model / "define.py", "--check"], check=True)


@pytest.mark.parametrize("model", RUNS)
def test_readme_tells_the_parameters(model):
    total = describe(hub.root() / model / "deploy.prototxt").totals["parameters"]
    assert f"{total:,}" in (hub.root() / model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", sorted(RUNS.keys() - NARROW))
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
    which = {key: value for key, value in PREPARED.get(model, {}).items() if key == "model"}
    if model in NARROW:
        changes["net_param"] = example.narrow(True, **which)
    run = importlib.import_module("learning").solver(model, tmp_path, **changes)
    if model in NARROW:
        deploy = caffelike.Net.build(example.narrow(False, **which), caffelike.TEST).params
        shapes = [[(name, blob.shape) for name in sorted(p) for blob in p[name]] for p in (deploy, run.net.params)]
        assert shapes[0] == shapes[1]
    losses = learned(run, iterations)
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


@pytest.mark.parametrize("head", ["", "dueling_"])
def test_dqn_fits_its_targets(head, tmp_path):
    total = describe(hub.root() / "dqn" / f"{head}deploy.prototxt").totals["parameters"]
    assert f"{total:,}" in (hub.root() / "dqn" / "README.md").read_text(encoding="utf-8")
    learning = importlib.import_module("learning")
    shape = {"actions": 3, "widths": (4, 4, 4), "hidden": 8, "dueling": bool(head)}
    changes = importlib.import_module("dqn").CHANGES | {"base_lr": 0.01, "display": 0}
    run = learning.solver("dqn", tmp_path, net_param=learning.define("dqn").net(train=True, **shape), **changes)
    rng = np.random.default_rng(0)
    run.net.blobs["frames"].data[...] = rng.random((32, 4, 84, 84))
    run.net.blobs["target"].data[...] = 1
    run.net.blobs["taken"].data[:, 1] = 1
    losses = learned(run, 30)
    assert losses[-1] < 0.1 * losses[0]
    run.net.forward()
    worth = run.net.blobs["q_values"].data
    assert worth[:, 1] == pytest.approx(np.ones(32), abs=0.3)
    other = worth[:, 1] + 1  # what the actions that were not taken are said to be worth is no matter
    run.net.blobs["target"].data[:, 0] = other
    before = float(run.net.blobs["loss"].data)
    run.net.forward()
    assert float(run.net.blobs["loss"].data) == before


def test_dueling_head_centres_the_advantages():
    net = importlib.import_module("learning").define("dqn").net(False, 3, (2, 2, 2), 4, dueling=True)
    built = caffelike.Net.build(net, caffelike.TEST)
    built.forward(frames=np.random.default_rng(0).random((2, 4, 84, 84)))
    value, worth = built.blobs["value"].data, built.blobs["q_values"].data
    assert worth.mean(axis=1) == pytest.approx(value[:, 0], abs=1e-6)
    assert np.ptp(worth, axis=1).min() > 0


def test_catch():
    dqn = importlib.import_module("dqn")
    game = dqn.Catch(0)
    game.x, game.y, game.drift, game.paddle = 10, 8, 1, 8
    assert game.move(2) == (0.0, False)  # the ball to 11, the paddle to 9
    assert game.move(2) == (0.0, False)  # the ball comes back, to 10; so does the paddle
    assert (game.x, game.paddle) == (10, 10)
    assert game.frames[-1].sum() == 2 * 255 * dqn.CELL**2
    assert game.move(0) == (1.0, True)  # both at 9
    game.x, game.y, game.drift, game.paddle = 0, 10, 1, 0
    assert game.move(0) == (-1.0, True)
    assert np.count_nonzero(game.frames.reshape(dqn.FRAMES, -1).any(axis=1)) == 1  # a new ball, seen once


def test_bellman_worked_example():
    targets = importlib.import_module("dqn").targets
    worth = np.array([[0.1, 1.0, 0.4], [5.0, 7.0, 6.0]])
    assert targets(np.array([0.0, -1.0]), np.array([False, True]), worth).tolist() == [0.95, -1.0]


def test_style_changes_the_picture_alone(tmp_path):
    """With a small net that looks, of random weights, as nothing else is at hand."""
    style, learning = importlib.import_module("style"), importlib.import_module("learning")
    transfer, looking = learning.define("style_transfer"), importlib.import_module("made_pictures").looking()[:4]
    blobs = {"content": {"conv2": 1.0}, "style": {"conv1": 0.1, "conv2": 0.1}}
    net = transfer.net(transfer.frozen(looking), **blobs, height=24, width=20)
    run = learning.solver("style_transfer", tmp_path, net_param=net, max_iter=20, display=0)
    rng = np.random.default_rng(0)
    content, look = (rng.normal(0, 60, (1, 3, 24, 20)).astype(np.float32) for _ in range(2))
    look[:, 0] = 100
    weights = run.net.params["conv1"][0].data.copy()
    style.prepare(run, content, look)
    before = style.losses(run)
    assert before["content"] == 0
    run.step(20)
    after = style.losses(run)
    assert after["style"] + after["content"] < 0.7 * before["style"]
    assert np.array_equal(run.net.params["conv1"][0].data, weights)
    assert not np.array_equal(run.net.params["data"][0].data, content)


def test_style_reads_and_writes_pictures(tmp_path):
    style = importlib.import_module("style")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    style.Image.fromarray(pixels).save(tmp_path / "a.png")
    data = style.read(tmp_path / "a.png", 4)
    assert data[0, 2, 1, 3] == int(pixels[1, 3, 0]) - 123  # red is last
    assert np.array_equal(np.asarray(style.picture(data)), pixels)
    fitted = style.fitted(data, (1, 3, 4, 7))
    assert np.array_equal(fitted[..., 4:], data[:, :, :4, :3])


def test_flow_follows_what_moves():
    """A smooth hill a pixel to the right and half a pixel up between frames."""
    action = importlib.import_module("action")
    y, x = np.mgrid[:40, :40].astype(float)
    frames = np.stack([np.exp(-((x - 18 - t) ** 2 + (y - 22 + t / 2) ** 2) / 50) for t in range(3)])
    flow = action.flow(frames, smooth=1e-4, rounds=200)
    assert flow.shape == (2, 2, 40, 40)
    where = frames[0] > 0.3
    assert flow[0, 0][where].mean() == pytest.approx(1, abs=0.2)
    assert flow[0, 1][where].mean() == pytest.approx(-0.5, abs=0.2)


def test_clips_move_as_their_class_says():
    action = importlib.import_module("action")
    for kind in range(action.CLASSES):
        frames = action.clip(kind, 32, np.random.default_rng(kind))
        grid = np.arange(32)
        mass = np.where(frames > 0.6, 1.0, 0)
        place = [(mass.sum(axis=a) * grid).sum(axis=1) / mass.sum(axis=(1, 2)) for a in (2, 1)]  # rows, columns
        moved = [p[-1] - p[0] for p in place]
        wanted = action.MOVES[kind // 2]
        assert all(abs(m) < 1.5 if w == 0 else m * w > 6 for m, w in zip(moved, wanted, strict=True))


def test_grasps_hold_across_the_bar():
    grasp = importlib.import_module("grasp")
    held = grasp.holds(np.array([0.0, 88.0, 179.0]))
    assert [np.flatnonzero(row).tolist() for row in held] == [[8, 9, 10], [0, 1, 17], [8, 9, 10]]
    label = grasp.tried(np.repeat(held, 50, axis=0), np.random.default_rng(0))
    assert ((label >= 0).sum(axis=1) == 1).all()
    assert 0.5 <= (label == 1).sum() / 150 < 0.75


def test_sounds_are_of_two_tones():
    tones = importlib.import_module("tones")
    for kind, sign in ((0, 0), (1, 1), (2, -1), (4, 1)):
        wave = tones.sound(kind, np.random.default_rng(0))
        half = tones.LENGTH // 2
        pitch = [np.abs(np.fft.rfft(part)).argmax() * tones.RATE / half for part in (wave[:half], wave[half:])]
        assert all(290 < p < 790 for p in pitch)
        assert np.sign(pitch[1] - pitch[0]) == sign

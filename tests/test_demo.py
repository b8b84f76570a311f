"""The demonstration passes on real digits, and only when LeNet has learnt something."""

import re

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import demo as demonstration
from caffelike import hub
from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.schema import text

LOG = """\
I20261121 02:46:27.739828 26279 solver.cpp:347] Iteration 0, Testing net (#0)
I20261121 02:46:33.707122 26279 solver.cpp:414]     Test net output #0: accuracy = 0.113889
I20261121 02:46:33.707322 26279 solver.cpp:414]     Test net output #1: loss = 2.41 (* 1 = 2.41 loss)
I20261121 02:46:33.721226 26279 solver.cpp:239] Iteration 0 (0 iter/s, 5.98s/10 iters), loss = 2.41596
I20261121 02:46:33.721430 26279 solver.cpp:258]     Train net output #0: loss = 2.41596 (* 1 = 2.41596 loss)
I20261121 02:46:47.000000 26279 solver.cpp:464] Snapshotting to binary proto file lenet_iter_10.caffemodel
I20261121 02:46:47.000000 26279 solver.cpp:310] Iteration 10, loss = 1e-05
"""


def test_passes(demo):
    assert demo.code == 0
    assert "Demonstration passed" in demo.printed
    accuracy = re.search(r"Demonstration passed in \d+ s: accuracy (\S+), required 0\.97\n$", demo.printed)
    right = re.search(r"Classified from Python: (\d+) of 360 right", demo.printed)
    assert accuracy
    assert right
    assert float(accuracy[1]) >= 0.97
    assert float(accuracy[1]) == pytest.approx(int(right[1]) / 360, abs=1e-4)


def test_leaves_what_it_says(demo):
    left = demo.folder / "demo-output"
    for name in ("train.log", "test.log", "lenet_iter_500.caffemodel", "digit.png", "training.png"):
        assert (left / name).stat().st_size > 0
        assert name.endswith(".log") or name in demo.printed
    with Image.open(left / "training.png") as picture:
        assert picture.size == (1000, 520)
        assert len(picture.convert("L").getcolors()) > 50
    course = demonstration.Course()
    for line in (left / "train.log").read_text().splitlines():
        course.read(line)
    assert [iteration for iteration, _ in course.accuracy] == list(range(0, 501, 50))
    assert [iteration for iteration, _ in course.loss] == list(range(0, 501, 10))
    assert course.loss[-1][1] < 0.1 < course.loss[0][1]


def test_printed_commands_work_where_it_says(demo):
    """A line `demo-output$ caffelike ...` can be typed in that folder."""
    commands = re.findall(r"^demo-output\$ caffelike (.*)$", demo.printed, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["train", "test"]
    for command in commands:
        assert (demo.folder / "demo-output" / command.split()[1]).is_file()


def quick_solver(folder):
    """The demonstration's solver, but for 20 iterations."""
    lenet = hub.find("lenet")
    solver = text.read_solver(lenet / "digits_solver.prototxt").message
    solver.net, solver.max_iter = str(lenet / "train_val.prototxt"), 20
    path = folder / "quick_solver.prototxt"
    path.write_text(text.format(solver))
    return path


def test_shuffled_labels_fail(tmp_path, monkeypatch, capsys):
    """Labels that have nothing to do with the digits cannot be learnt: exit code 1."""
    real = demonstration.load_digits

    def shuffled():
        rng = np.random.default_rng(1)
        return tuple(demonstration.Digits(d.images, rng.permutation(d.labels)) for d in real())

    run = demonstration.run
    monkeypatch.setattr(demonstration, "load_digits", shuffled)
    monkeypatch.setattr(demonstration, "run", lambda *a: run(*a, solver=quick_solver(tmp_path)))
    assert main(["demo", "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().out
    assert "Demonstration FAILED" in printed
    assert float(re.search(r"accuracy (\S+), required", printed)[1]) < 0.5


def test_a_step_that_fails_ends_it(tmp_path, capsys):
    """The command's own words are passed on."""
    train, held_out = demonstration.load_digits()
    broken = demonstration.Digits(train.images, np.full_like(train.labels, 99))
    with pytest.raises(CaffelikeError, match=r"caffelike train failed \(exit code 1\):\n(.|\n)*label"):
        demonstration.run(tmp_path, broken, held_out, lambda text: None, solver=quick_solver(tmp_path))


def test_both_accuracies_must_reach_it(tmp_path):
    assert demonstration.Result(0.98, 352, 360, tmp_path).passed
    assert not demonstration.Result(0.96, 352, 360, tmp_path).passed
    assert not demonstration.Result(0.98, 340, 360, tmp_path).passed


def test_log_is_read():
    course = demonstration.Course()
    for line in LOG.splitlines():
        course.read(line)
    assert course.accuracy == [(0, 0.113889)]
    assert course.test_loss == [(0, 2.41)]
    assert course.loss == [(0, 2.41596), (10, 1e-05)]
    assert course.snapshot == "lenet_iter_10.caffemodel"


def test_enlarge():
    images = np.zeros((2, 8, 8))
    images[1] = 16
    large = demonstration.enlarge(images)
    assert large.shape == (2, 28, 28)
    assert large.dtype == np.uint8
    assert large[0].max() == 0
    assert large[1, 2:-2, 2:-2].min() == 255
    assert large[1, :2].max() == large[1, :, -2:].max() == 0


def test_held_out_digits_are_not_trained_on():
    train, held_out = demonstration.load_digits()
    assert (len(train.labels), len(held_out.labels)) == (1437, 360)
    assert len(held_out.labels) % demonstration.TEST_BATCH == 0
    # The same number of every digit's images as in the whole set: nothing is lost or doubled.
    whole = np.concatenate([train.images, held_out.images]).reshape(1797, -1)
    assert len(np.unique(whole, axis=0)) == 1797


def test_batch_is_the_definitions():
    document = text.read_net(hub.find("lenet") / "train_val.prototxt")
    batches = {layer.include[0].phase: layer.data_param.batch_size for layer in document.message.layer[:2]}
    assert batches[caffelike.TEST] == demonstration.TEST_BATCH

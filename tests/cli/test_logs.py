"""Our logs of train, test, time, resume and fine-tune beside Caffe's own, line by line.

Only what was measured or learnt may differ: times, rates, losses. The net, LeNet, is taken from Caffe's log; its
records here are synthetic.
"""

import contextlib
import io
import re
import shutil

import lenet
import numpy as np
import pytest
from recorded import GOLDEN

from caffelike.cli import main

PREFIX = re.compile(r"([IWEF])\d{8} \d\d:\d\d:\d\d\.\d{6} +\d+ ([\w.]+:\d+)\] (.*)")
# Lines that hold results; elsewhere every word and number must agree.
MEASURED = re.compile(r"solver\.cpp:(239|258|327|414)|caffe\.cpp:(304|309|321|356|394|400|403|408|410|412|414)")
NUMBER = re.compile(r"(\(|= |, |: |\* )-?[\d.]+(e[+-]?\d+)?")


def parsed(text):
    """(level, source, message) of each log line; what follows without a prefix belongs to the line before."""
    lines = []
    for line in text.splitlines():
        if match := PREFIX.fullmatch(line):
            lines.append(match.groups())
        else:
            level, source, message = lines[-1]
            lines[-1] = (level, source, f"{message}\n{line}")
    return lines


def shapes(text):
    """The lines with measured numbers as #, without those on the database."""
    found, created = [], ""
    for level, source, message in parsed(text):
        if MEASURED.fullmatch(source):
            message = NUMBER.sub(r"\1#", message)
        if source in ("db_lmdb.cpp:35", "data_layer.cpp:45", "data_layer.cpp:73"):  # when it is opened, or wraps
            continue
        if source == "data_layer.cpp:73":  # our data bases are smaller, so they start over
            continue
        if source == "layer_factory.hpp:77":  # Caffe makes a loss layer's softmax as a layer of the same name
            if message == created:
                continue
            created = message
        found.append((level, source, message))
    return found


def bars(count, seed):
    """Images of noise with a bright bar, and the labels that tell where the bar is."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    labels = np.arange(count) % 10
    images[np.arange(count), 2 * labels + 4] = 250
    return images, labels


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Our stderr of the five runs that Caffe's logs are of, by name."""
    folder = tmp_path_factory.mktemp("lenet")
    mnist = folder / "examples" / "mnist"
    lenet.write_lmdb(mnist / "mnist_train_lmdb", *bars(300, 0))
    lenet.write_lmdb(mnist / "mnist_test_lmdb", *bars(130, 1))
    (mnist / "lenet_train_test.prototxt").write_text(lenet.definition())
    (folder / "snap").mkdir()
    shutil.copy(GOLDEN / "logs" / "solver.prototxt", folder)
    net, state, weights = mnist / "lenet_train_test.prototxt", "snap/lenet_iter_100.solverstate", "snap/lenet_iter_"
    net = net.relative_to(folder)
    return {
        name: _stderr(folder, *words)
        for name, words in {
            "train": ("train", "-solver", "solver.prototxt"),
            "test": ("test", f"-model={net}", "-weights", f"{weights}200.caffemodel", "-iterations", "5"),
            "time": ("time", "--model", net, "--iterations=3"),
            "resume": ("train", "--solver=solver.prototxt", f"--snapshot={state}"),
            "finetune": ("-weights", f"{weights}100.caffemodel", "train", "-solver", "solver.prototxt"),
        }.items()
    }


def _stderr(folder, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            code = main([str(word) for word in words])
        assert code == 0, stream.getvalue()
        return stream.getvalue()


@pytest.mark.parametrize("name", ["train", "test", "time", "resume", "finetune"])
def test_lines_are_caffes(logs, name):
    ours, caffes = shapes(logs[name]), shapes((GOLDEN / "logs" / f"{name}.log").read_text())
    for i, (mine, theirs) in enumerate(zip(ours, caffes, strict=False)):
        assert mine == theirs, f"line {i}"
    assert len(ours) == len(caffes)


@pytest.mark.parametrize("name", ["train", "test", "resume"])
def test_databases_are_announced(logs, name):
    ours, caffes = (
        sorted(m for _, s, m in parsed(text) if s in ("db_lmdb.cpp:35", "data_layer.cpp:45"))
        for text in (logs[name], (GOLDEN / "logs" / f"{name}.log").read_text())
    )
    assert ours == caffes


def test_log_parsers_find_every_field(logs):
    """The expressions that people's scripts use, on the very lines."""
    text = logs["train"]
    number = r"([-+]?[0-9]*\.?[0-9]+(?:[eE]?[-+]?[0-9]+)?)"
    assert re.findall(r"Iteration (\d+) \([\d.]+ iter/s, [\d.]+s/50 iters\), loss = ", text) == [
        "0",
        "50",
        "100",
        "150",
    ]
    assert len(re.findall(r"Train net output #(\d+): (\S+) = " + number, text)) == 4
    tests = re.findall(r"Test net output #(\d+): (\S+) = " + number, text)
    assert [t[:2] for t in tests] == [("0", "accuracy"), ("1", "loss")] * 3
    assert re.findall(r"Iteration \d+, lr = " + number, text) == ["0.01", "0.01", "0.01", "0.001"]
    assert re.findall(r"Iteration (\d+), Testing net \(#0\)", text) == ["0", "100", "200"]
    solving = next(line for line in text.splitlines() if "Solving" in line)
    day, clock = solving.split()[:2]
    assert re.fullmatch(r"I20\d\d[01]\d[0-3]\d", day)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}", clock)


def test_training_learnt(logs):
    scores = re.findall(r"Test net output #0: accuracy = (\S+)", logs["train"])
    assert float(scores[-1]) > 0.9
    assert re.findall(r"caffe\.cpp:321\] accuracy = (\S+)", logs["test"])


def test_resuming_goes_on_where_the_snapshot_was(logs):
    """From iteration 100 on, both runs log the same numbers but for the loss window, which a test run filled."""
    pattern = r"Iteration (150|200), lr|Train net output #0: loss = (\S+)|Test net output #0: accuracy = (\S+)"
    after = [m.group(0) for m in re.finditer(pattern, logs["train"].split("lenet_iter_100.solverstate")[1])]
    resumed = [m.group(0) for m in re.finditer(pattern, logs["resume"].split("Solving LeNet")[1])]
    assert resumed == after

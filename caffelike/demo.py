"""The demonstration: LeNet learns real handwritten digits, is tested, classifies, and its training is drawn.

scikit-learn brings 1,797 digits that 13 people wrote (the test set of E. Alpaydin and C. Kaynak's "Optical Recognition
of Handwritten Digits", UCI, 1998), as counts of ink in 8 x 8 squares. They are enlarged to LeNet's 28 x 28; 360 of them
are held out of the training.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from caffelike import hub
from caffelike.errors import CaffelikeError

HELD_OUT = 360
TEST_BATCH = 40
"""The batch of models/lenet/train_val.prototxt in phase TEST."""
REQUIRED = 0.97
"""The accuracy on the digits held out below which the demonstration fails."""

_SIZE, _INNER = 28, 24  # of the enlarged image, and of the digit in its middle


class Digits(NamedTuple):
    """images: (N, 28, 28) uint8, ink 255 on 0; labels: (N,) int, 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Course:
    """What a training log tells: (iteration, value) pairs, and the last snapshot's name."""

    loss: list[tuple[int, float]] = field(default_factory=list)
    test_loss: list[tuple[int, float]] = field(default_factory=list)
    accuracy: list[tuple[int, float]] = field(default_factory=list)
    snapshot: str = ""
    iteration: int = 0

    def read(self, line: str) -> None:
        """Take one line of Caffe's log."""
        if found := re.search(r"Iteration (\d+)", line):
            self.iteration = int(found[1])
        if found := re.search(r"Iteration \d+.*, loss = (\S+)", line):
            self.loss.append((self.iteration, float(found[1])))
        elif found := re.search(r"Test net output #\d+: (accuracy|loss) = (\S+)", line):
            values = self.accuracy if found[1] == "accuracy" else self.test_loss
            values.append((self.iteration, float(found[2])))
        elif found := re.search(r"Snapshotting to binary proto file (.+)", line):
            self.snapshot = found[1].strip()


@dataclass
class Result:
    """How the demonstration went: accuracy as `caffelike test` prints it, and as counted in Python."""

    accuracy: float
    right: int
    total: int
    picture: Path

    @property
    def passed(self) -> bool:
        """Whether both reach what is required."""
        return min(self.accuracy, self.right / self.total) >= REQUIRED


def load_digits() -> tuple[Digits, Digits]:
    """The digits to train on and those held out, mixed by a fixed random order. Raises CaffelikeError."""
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        raise CaffelikeError(
            "The demonstration needs scikit-learn and matplotlib: pip install 'caffelike[examples]'"
        ) from error
    pixels, labels = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    digits = Digits(enlarge(pixels.reshape(-1, 8, 8))[order], labels[order])
    return (
        Digits(digits.images[HELD_OUT:], digits.labels[HELD_OUT:]),
        Digits(digits.images[:HELD_OUT], digits.labels[:HELD_OUT]),
    )


def enlarge(images: np.ndarray) -> np.ndarray:
    """(N, 8, 8) with ink 0 to 16 -> (N, 28, 28) uint8, smoothly enlarged, with an empty border of 2."""
    border = (_SIZE - _INNER) // 2
    large = np.zeros((len(images), _SIZE, _SIZE), np.uint8)
    for small, image in zip(np.round(images * (255 / 16)).astype(np.uint8), large, strict=True):
        inner = Image.fromarray(small).resize((_INNER, _INNER), Image.Resampling.BICUBIC)
        image[border:-border, border:-border] = np.asarray(inner)
    return large


def run(
    folder: Path, train: Digits, held_out: Digits, say: Callable[[str], None], solver: Path | None = None
) -> Result:
    """Do it all in `folder` (made if absent; an earlier demonstration there is replaced), telling `say` about it.

    solver: default models/lenet/digits_solver.prototxt. Raises CaffelikeError when a step fails.
    """
    lenet = hub.find("lenet")
    write(folder, train, held_out)
    say(f"{len(train.labels)} digits to train on and {len(held_out.labels)} held out: {folder}/digits_*_lmdb")

    course = Course()
    for line in command(folder, "train.log", say, "train", solver or lenet / "digits_solver.prototxt"):
        tests = len(course.accuracy)
        course.read(line)
        if len(course.accuracy) > tests:
            say(f"  iteration {course.iteration}: accuracy {course.accuracy[-1][1]:.4f} on the digits held out")

    accuracy = 0.0
    arguments = (lenet / "train_val.prototxt", course.snapshot, "--iterations", len(held_out.labels) // TEST_BATCH)
    for line in command(folder, "test.log", say, "test", *arguments):
        if found := re.search(r"\] accuracy = (\S+)", line):
            accuracy = float(found[1])
    say(f"  accuracy {accuracy:.4f}")

    predicted = classify(folder / course.snapshot, held_out.images)
    right = int((predicted == held_out.labels).sum())
    say(f"Classified from Python: {right} of {len(predicted)} right")
    Image.fromarray(held_out.images[0]).save(folder / "digit.png")
    picture = draw(folder / "training.png", course, held_out, predicted)
    say(f"Left in {folder}: {course.snapshot}, {picture.name} (loss and accuracy), digit.png (one digit held out)")
    return Result(accuracy, right, len(predicted), picture)


def write(folder: Path, train: Digits, held_out: Digits) -> dict[str, int]:
    """Both sets as LMDBs of Caffe's records, under the names that models/lenet/train_val.prototxt reads.

    Replaces those of an earlier call; returns the number of digits in each, by name.
    """
    from caffelike.data import write_lmdb

    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name, digits in (("digits_train_lmdb", train), ("digits_test_lmdb", held_out)):
        shutil.rmtree(folder / name, ignore_errors=True)
        counts[name] = write_lmdb(folder / name, zip(digits.images[:, np.newaxis], digits.labels.tolist(), strict=True))
    return counts


def command(folder: Path, log: str, say: Callable[[str], None], *arguments: object) -> Iterator[str]:
    """Run the command line in `folder`; yields the lines of its log, which is kept there as `log`.

    Raises CaffelikeError with the last lines when it fails.
    """
    words = [str(argument) for argument in arguments]
    shown = (os.path.relpath(word, folder) if os.path.isabs(word) else word for word in words)
    say(f"{folder}$ caffelike {' '.join(shown)}")
    last: deque[str] = deque(maxlen=5)
    with (
        open(folder / log, "w", encoding="utf-8") as file,
        subprocess.Popen(
            [sys.executable, "-m", "caffelike", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"GLOG_minloglevel": "0"},
        ) as process,
    ):
        assert process.stderr
        for line in process.stderr:
            file.write(line)
            last.append(line)
            yield line
    if process.returncode:
        raise CaffelikeError(f"caffelike {words[0]} failed (exit code {process.returncode}):\n{''.join(last)}")


def classify(weights: Path, images: np.ndarray) -> np.ndarray:
    """(N, 28, 28) uint8 -> (N,) the digit that LeNet gives the highest probability."""
    net = hub.load("lenet", weights=weights)
    net.blobs["data"].reshape(len(images), 1, *images.shape[1:])
    net.blobs["data"].data[...] = images[:, np.newaxis] / np.float32(256)
    return net.forward()["prob"].argmax(axis=1)


def draw(path: Path, course: Course, held_out: Digits, predicted: np.ndarray) -> Path:
    """A picture of loss and accuracy over the training, and of digits held out with what LeNet reads in them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 12, height_ratios=(6, 1, 1))
    loss = figure.add_subplot(grid[0, :6], xlabel="iteration", yscale="log", title="loss")
    loss.plot(*zip(*course.loss, strict=True), color="tab:gray", linewidth=1, label="training")
    loss.plot(*zip(*course.test_loss, strict=True), color="tab:blue", marker="o", markersize=3, label="held out")
    loss.legend()
    accuracy = figure.add_subplot(grid[0, 6:], xlabel="iteration", title="accuracy on the digits held out")
    accuracy.plot(*zip(*course.accuracy, strict=True), color="tab:blue", marker="o", markersize=3)
    accuracy.axhline(REQUIRED, color="tab:gray", linestyle=":", label=f"required: {REQUIRED:.0%}")
    accuracy.legend(loc="lower right")
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
    # The mistakes first, then others: both can be judged by eye.
    wrong = predicted != held_out.labels
    shown = np.argsort(~wrong, kind="stable")[:24]
    for place, i in enumerate(shown):
        axes = figure.add_subplot(grid[1 + place // 12, place % 12])
        axes.imshow(held_out.images[i], cmap="gray_r")
        axes.set_axis_off()
        title = f"{predicted[i]}, is {held_out.labels[i]}" if wrong[i] else f"{predicted[i]}"
        axes.set_title(title, fontsize=9, color="tab:red" if wrong[i] else "black")
    figure.savefig(path, dpi=100)
    return path

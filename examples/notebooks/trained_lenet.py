"""What the notebooks start from in place of downloads: the bundled digits, and a LeNet that has learned them."""

import tempfile
from pathlib import Path

import caffelike as caffe
from caffelike import demo, hub

NET = hub.find("lenet") / "deploy.prototxt"
FOLDER = Path(tempfile.mkdtemp(prefix="notebook-"))  # for everything that a notebook writes
SCALE = 1 / 256  # what LeNet's pixels of 0 to 255 are multiplied by

SOLVER = """
net: "{net}"
base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed"
max_iter: 1000 snapshot_after_train: false random_seed: 1
"""


def data_bases() -> tuple[demo.Digits, demo.Digits]:
    """Write digits_train_lmdb and digits_test_lmdb into FOLDER; the same digits as arrays, (N, 28, 28) uint8."""
    train, test = demo.load_digits()
    demo.write(FOLDER, train, test)
    return train, test


def write(name: str, text: object) -> str:
    """A file in FOLDER, and its path."""
    path = FOLDER / name
    path.write_text(str(text))
    return str(path)


def weights(iterations: int = 150) -> str:
    """Train models/lenet for so many iterations, which takes seconds, and say where its weights are."""
    definition = (NET.parent / "train_val.prototxt").read_text()
    net = write("train_val.prototxt", definition.replace('source: "', f'source: "{FOLDER.as_posix()}/'))
    solver = caffe.SGDSolver(write("solver.prototxt", SOLVER.format(net=net)))
    solver.step(iterations)
    solver.net.save(str(FOLDER / "lenet.caffemodel"))
    return str(FOLDER / "lenet.caffemodel")

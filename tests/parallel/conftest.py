"""Small training runs on several ranks, each a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffelike.errors import CaffelikeError
from caffelike.parallel import launch
from caffelike.parallel.mpi import load
from caffelike.schema.state import read_state
from caffelike.schema.weights import read_weights
from caffelike.tools.imageset import convert_imageset

try:
    load()
    MISSING = "" if shutil.which("mpiexec") or Path(sys.executable).with_name("mpiexec").exists() else "no mpiexec"
except CaffelikeError as error:
    MISSING = str(error)

DATA = """layer {{ name: "d" type: "Data" top: "data" top: "label" transform_param {{ scale: 0.0039 }}
  data_param {{ source: "{folder}/digits" batch_size: {batch} backend: LMDB shuffle: true }} }}
"""
CONV = """layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "xavier" } } }
"""
NORM = """layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn" }
layer { name: "r" type: "ReLU" bottom: "bn" top: "c2" }
"""
HEAD = """layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "ip"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
layer {{ name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include {{ phase: TEST }} }}
"""
SOLVER = """net: "{net}" lr_policy: "fixed" random_seed: 3 display: 1 snapshot_prefix: "{prefix}"
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if MISSING and "ranks" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder with 96 pictures of 8x8 as a data base: class i is a bright bar at place i."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("ranks")
    rng = np.random.default_rng(0)
    lines = []
    for i in range(96):
        pixels = rng.integers(0, 90, (8, 8)).astype(np.uint8)
        pixels[i % 8, :] += 120
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(f"{i}.png {i % 8}")
    (folder / "list.txt").write_text("\n".join(lines))
    convert_imageset(f"{folder}/", folder / "list.txt", folder / "digits", gray=True)
    return folder


class Ranks:
    """Writes solvers and trains them on some ranks."""

    def __init__(self, data: Path, folder: Path):
        self.data, self.folder = data, folder

    def solver(self, batch: int, options: str, norm: bool = False) -> Path:
        """A solver of the small net with this batch size on each rank."""
        net = self.folder / f"net{batch}{norm}.prototxt"
        head = HEAD.format(bottom="c2" if norm else "c")
        net.write_text(DATA.format(folder=self.data, batch=batch) + CONV + NORM * norm + head)
        path = self.folder / f"solver{batch}{norm}.prototxt"
        path.write_text(SOLVER.format(net=net, prefix=self.folder / f"b{batch}") + options)
        return path

    def start(self, ranks: int, *arguments: object, messages: bool = False) -> subprocess.Popen:
        """`caffelike train` on so many ranks; messages: they share no memory, see messages.py."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "caffelike", "train", *map(str, arguments)]
        if messages:
            start = [*launch._mpiexec(), "-n", str(ranks), *launch._flags(environment)]
            words = [*start, sys.executable, str(Path(__file__).with_name("messages.py")), *words[3:]]
        elif ranks > 1:
            words += ["--ranks", str(ranks)]
        return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def train(self, ranks: int, *arguments: object, messages: bool = False) -> str:
        """Train to the end; the log."""
        process = self.start(ranks, *arguments, messages=messages)
        log = process.communicate(timeout=120)[1]
        assert process.returncode == 0, log[-3000:]
        return log

    @staticmethod
    def losses(log: str) -> np.ndarray:
        """The losses of a log with display: 1."""
        return np.array([float(line.rsplit("= ", 1)[1]) for line in log.splitlines() if "iters), loss = " in line])

    @staticmethod
    def weights(path: Path) -> np.ndarray:
        """All weights of a .caffemodel in one array."""
        return Ranks._concatenated([blob for layer in read_weights(path).layers for blob in layer.blobs])

    @staticmethod
    def history(path: Path) -> np.ndarray:
        """All histories of a .solverstate in one array."""
        return Ranks._concatenated(read_state(path).history)

    @staticmethod
    def _concatenated(blobs: list) -> np.ndarray:
        arrays = [np.empty(blob.count, np.float32) for blob in blobs]
        for blob, array in zip(blobs, arrays, strict=True):
            blob.copy_into(array)
        return np.concatenate(arrays)


@pytest.fixture
def ranks(digits, tmp_path):
    return Ranks(digits, tmp_path)

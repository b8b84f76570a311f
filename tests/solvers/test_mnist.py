"""LeNet on MNIST from recorded weights: the loss curve and the test score of BVLC Caffe 1.0."""

import gzip
from pathlib import Path

import h5py
import lenet
import numpy as np
import pytest
from recorded import arrays, param

import caffelike

SHARED = Path(__file__).parents[3] / "shared"
RECORDED = SHARED / "golden" / "lenet_mnist.h5"

SOLVER = """
net: "net.prototxt" base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "inv" gamma: 0.0001 power: 0.75
test_iter: 100 test_interval: 1000 test_initialization: false
"""


def idx(name, count):
    """The first `count` items of an idx file of bytes."""
    with gzip.open(SHARED / "data" / "mnist" / f"{name}-ubyte.gz") as file:
        header = 16 if "idx3" in name else 8
        data = file.read(header + count * (784 if "idx3" in name else 1))
    return np.frombuffer(data, np.uint8, offset=header).reshape(count, *((28, 28) if "idx3" in name else ()))


@pytest.mark.skipif(not RECORDED.exists(), reason="needs MNIST and the recorded run, which lie beside the project")
def test_lenet_on_mnist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "examples" / "mnist"
    lenet.write_lmdb(folder / "mnist_train_lmdb", idx("train-images-idx3", 12800), idx("train-labels-idx1", 12800))
    lenet.write_lmdb(folder / "mnist_test_lmdb", idx("t10k-images-idx3", 10000), idx("t10k-labels-idx1", 10000))
    Path("net.prototxt").write_text(lenet.definition())
    Path("solver.prototxt").write_text(SOLVER)
    solver = caffelike.get_solver("solver.prototxt")
    with h5py.File(RECORDED) as recorded:
        for name, values in arrays(recorded, "before"):
            param(solver.net, name).data[...] = values
        expected, scores = recorded["loss"][()], recorded["test"][()]
    losses = []
    for _ in expected:
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    off = np.abs(np.array(losses) - expected)
    assert off[:50].max() < 1e-3
    assert off[50:].mean() < 0.02
    score = solver.test(0)
    assert float(score["accuracy"]) == pytest.approx(scores[0], abs=0.003)
    assert float(score["loss"]) == pytest.approx(scores[1], abs=0.02)

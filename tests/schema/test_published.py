"""Weights and solver states that were published in the V1 format, and a file beyond 2 GB."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike.schema import NetParameter
from caffelike.schema.state import read_state
from caffelike.schema.weights import read_weights
from caffelike.schema.wire import header, varint

SHARED = Path(__file__).resolve().parents[3] / "shared"
WEIGHTS = SHARED / "weights"
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="the published weights lie beside the project")
LENET = WEIGHTS / "lenet_v1"


@needs_weights
def test_lenet_reads_mnist():
    with gzip.open(SHARED / "data" / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(SHARED / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    net = caffelike.Net(LENET / "deploy.prototxt", caffelike.TEST, weights=LENET / "lenet_iter_10000.caffemodel")
    net.blobs["data"].reshape(500, 1, 28, 28)
    right = 0
    for i in range(0, len(pixels), 500):
        prob = net.forward(data=pixels[i : i + 500] / np.float32(256))["prob"]
        right += int((prob.reshape(500, -1).argmax(axis=1) == labels[i : i + 500]).sum())
    assert right / len(pixels) >= 0.99


@needs_weights
@pytest.mark.parametrize("name", ["lenet_v1/lenet_iter_10000", "cifar10_quick_v1/cifar10_quick_iter_5000"])
def test_weights_are_those_that_protobuf_reads(name):
    path = WEIGHTS / f"{name}.caffemodel"
    net = caffelike.Net(path.parent / "deploy.prototxt", caffelike.TEST, weights=path)
    stored = {layer.name: layer for layer in NetParameter.FromString(path.read_bytes()).layers if layer.blobs}
    assert set(net.params) == set(stored)
    for layer, blobs in net.params.items():
        for blob, message in zip(blobs, stored[layer].blobs, strict=True):
            np.testing.assert_array_equal(blob.data.ravel(), np.array(message.data, np.float32))


TRAINED = """
layers { name: "data" type: DUMMY_DATA top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 1 dim: 28 dim: 28 } shape { dim: 4 } } }
"""
LOSS = 'layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip2" bottom: "label" top: "loss" }'


@needs_weights
def test_a_solver_goes_on_from_a_v1_state(tmp_path, monkeypatch):
    """Its weights are named by a path of the machine that trained them, and found beside it."""
    monkeypatch.chdir(tmp_path)
    deploy = (LENET / "deploy.prototxt").read_text()
    body = deploy[deploy.index("layers {") : deploy.rindex("layers {")]  # without the softmax
    (tmp_path / "net.prototxt").write_text(TRAINED + body + LOSS)
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "inv" gamma: 1e-4 power: 0.75'
    )
    solver = caffelike.get_solver("solver.prototxt")
    path = LENET / "lenet_iter_10000.solverstate"
    solver.restore(path)
    assert solver.iter == 10_000
    found = read_state(str(path))
    assert len(found.history) == 8
    first = np.empty(found.history[0].count, np.float32)
    found.history[0].copy_into(first)
    np.testing.assert_array_equal(solver.history[0][: first.size], first)
    assert first.any()
    stored = read_weights(str(LENET / "lenet_iter_10000.caffemodel")).layers
    assert {layer.name for layer in stored if layer.blobs} == set(solver.net.params)
    solver.step(1)
    assert solver.iter == 10_001


def test_a_file_beyond_2_gb(tmp_path):
    """A hole in a sparse file stands for 2.4 GB of weights: nothing is read but what is asked for."""
    count = 600_000_000
    shape = header(7, len(varint(count)) + 2) + header(1, len(varint(count))) + varint(count)
    large = header(5, 4 * count)
    small = header(7, 3) + header(1, 1) + b"\x02" + header(5, 8) + np.array([1.5, -2], np.float32).tobytes()
    path = tmp_path / "large.caffemodel"
    with open(path, "wb") as file:
        blob = len(shape) + len(large) + 4 * count
        layer = header(1, 1) + b"a" + header(7, blob)
        file.write(header(100, len(layer) + blob) + layer + shape + large)
        file.seek(4 * count, 1)
        layer = header(1, 1) + b"b" + header(7, len(small)) + small
        file.write(header(100, len(layer)) + layer)
    assert path.stat().st_size > 1 << 31
    first, second = read_weights(str(path)).layers
    assert (first.name, first.blobs[0].count, second.name) == ("a", count, "b")
    got = np.empty(2, np.float32)
    second.blobs[0].copy_into(got)
    assert got.tolist() == [1.5, -2]

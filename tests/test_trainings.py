"""Models that are there to be trained: each learns for some iterations on made data, by its own solver and net."""

import os
import runpy
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import hub
from caffelike.data.writing import write_lmdb
from caffelike.schema import text
from caffelike.schema.weights import write_mean
from caffelike.solvers import get_solver

MODELS = hub.root()
RNG = np.random.default_rng(0)


def classes(shape, count=40):
    """Pictures of ten classes, told by where they are bright, and their labels."""
    found = []
    for i in range(count):
        pixels = RNG.integers(0, 60, shape).astype(np.uint8)
        pixels[:, 2 * (i % 10) : 2 * (i % 10) + 6] += 150
        found.append((pixels, i % 10))
    return found


def pairs():
    """Two pictures as two channels; label 1 where both are of one class."""
    singles = classes((1, 28, 28))
    order = [(i, i + 10 if i % 2 else i + 11) for i in range(20)]
    return [(np.concatenate([singles[a][0], singles[b][0]]), int(a % 10 == b % 10)) for a, b in order]


CIFAR = {"cifar10_train_lmdb": lambda: classes((3, 32, 32)), "cifar10_test_lmdb": lambda: classes((3, 32, 32))}
DIGITS = {"mnist_train_lmdb": lambda: classes((1, 28, 28)), "mnist_test_lmdb": lambda: classes((1, 28, 28))}
PADDED = {"digits_train_lmdb": lambda: classes((1, 28, 28)), "digits_test_lmdb": lambda: classes((1, 28, 28))}
PAIRS = {"mnist_siamese_train_lmdb": pairs, "mnist_siamese_test_lmdb": pairs}
# model, solver, data, base_lr (higher than the real one: there are few iterations), iterations
CASES = [
    ("cifar10_quick", "solver", CIFAR, 0.005, 25),
    ("cifar10_full", "solver", CIFAR, 0.005, 25),
    ("cifar10_full", "sigmoid_solver_bn", CIFAR, 0.05, 10),
    ("lenet5_1998", "solver", PADDED, 0.01, 15),
    ("mnist_autoencoder", "solver", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_nesterov", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_adagrad", DIGITS, 0.01, 10),
    ("mnist_autoencoder", "solver_adadelta", DIGITS, 1.0, 10),
    ("mnist_siamese", "solver", PAIRS, 0.01, 15),
]
# lenet5_1998's definitions: test_models.py
DEFINED = sorted({case[0] for case in CASES} - {"lenet5_1998"} | {"face_verification", "finetune_style"})


def made(model, solver, rate):
    """A model's solver, with a rate for few iterations and one batch a test."""
    path = MODELS / model / f"{solver}.prototxt"
    param = text.read_solver(path).message
    param.base_lr, param.random_seed, param.display, param.test_initialization = rate, 1, 0, False
    param.test_iter[:] = [1] * len(param.test_iter)
    return get_solver(param, filename=str(path))


def data_of(model, monkeypatch, tmp_path):
    """Run the model's make_data.py in a new working folder; what it defines."""
    monkeypatch.chdir(tmp_path)
    return runpy.run_path(os.fspath(MODELS / model / "make_data.py"), run_name="__main__")


@pytest.mark.parametrize(("model", "solver", "data", "rate", "iterations"), CASES)
def test_it_learns(model, solver, data, rate, iterations, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, records in data.items():
        write_lmdb(name, records())
    write_mean("mean.binaryproto", np.full((3, 32, 32), 60, np.float32))
    trained = made(model, solver, rate)
    trained.step(1)
    first = trained.smoothed_loss
    trained.step(iterations)
    assert trained.smoothed_loss < 0.97 * first
    scores = trained.test(0)
    assert all(np.isfinite(values).all() for values in scores.values())
    trained.close()


def test_eleven_of_1001_layers_learn(monkeypatch, tmp_path):
    """models/resnet1001_cifar with one block in each stage instead of 111."""
    monkeypatch.chdir(tmp_path)
    for name, records in CIFAR.items():
        write_lmdb(name, records())
    write_mean("mean.binaryproto", np.full((3, 32, 32), 60, np.float32))
    monkeypatch.setattr(sys, "path", [*sys.path])
    define = runpy.run_path(os.fspath(MODELS / "resnet1001_cifar" / "define.py"))
    net = define["cifar"].trained("ResNet-11", define["body"](1), train_batch=20, mirror=True)
    (tmp_path / "small.prototxt").write_text(text.format(net))
    param = text.read_solver(MODELS / "resnet1001_cifar" / "solver.prototxt").message
    param.net, param.random_seed, param.display, param.test_iter[0] = "small.prototxt", 1, 0, 1
    param.base_lr = 0.05
    trained = get_solver(param)
    trained.step(1)
    first = trained.smoothed_loss
    trained.step(9)
    assert trained.smoothed_loss < 0.9 * first
    trained.close()


@pytest.mark.parametrize("model", DEFINED)
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, MODELS / model / "define.py", "--check"], check=True)


@pytest.mark.parametrize(("solver", "iterations", "accuracy"), [("solver", 300, 0.74), ("hidden_solver", 300, 0.78)])
def test_points_in_hdf5(solver, iterations, accuracy, monkeypatch, tmp_path):
    data_of("hdf5_logistic", monkeypatch, tmp_path)
    trained = made("hdf5_logistic", solver, 0.1)
    trained.param.test_iter[:] = [25]
    trained.step(iterations)
    assert trained.test(0)["accuracy"] > accuracy


def test_faces_of_others_are_verified(monkeypatch, tmp_path):
    """Pairs of drawn people; those of the test were not seen."""
    monkeypatch.setattr(sys, "argv", ["make_data.py", "--people", "6", "--pairs", "120"])
    make = data_of("face_verification", monkeypatch, tmp_path)
    trained = made("face_verification", "solver", 0.02)
    trained.step(1)
    first = trained.smoothed_loss
    trained.step(24)
    assert trained.smoothed_loss < 0.97 * first
    assert 0 < trained.test(0)["verification"] < 3
    trained.net.save("faces.caffemodel")
    verify = runpy.run_path(os.fspath(MODELS / "face_verification" / "verify.py"))
    net = caffelike.Net(MODELS / "face_verification" / "deploy.prototxt", caffelike.TEST, weights="faces.caffemodel")
    assert 0.5 < verify["right"](net) <= 1
    for person in "ab":  # and photographs, of which two at least are wanted
        (tmp_path / "people" / person).mkdir(parents=True)
        for i in range(2 if person == "a" else 1):
            Image.fromarray(RNG.integers(0, 256, (60, 50, 3), np.uint8)).save(tmp_path / "people" / person / f"{i}.png")
    (faces,) = make["photographed"](tmp_path / "people")
    assert faces.shape == (2, 3, 55, 47)
    assert 0 <= faces.min() < faces.max() <= 1


def test_linear_regression_finds_the_exact_solution(monkeypatch, tmp_path, capsys):
    module = data_of("linear_regression", monkeypatch, tmp_path)
    monkeypatch.syspath_prepend(MODELS / "linear_regression")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    trained = made("linear_regression", "solver", 0.1)
    trained.step(1000)
    data, progress = module["rows"]()
    exact = module["exact"](data[:342], progress[:342])
    weight, bias = (blob.data.ravel() for blob in trained.net.params["prediction"])
    np.testing.assert_allclose([*weight, *bias], exact.ravel(), atol=1e-3)
    printed = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert [round(trained.smoothed_loss, 4), round(float(trained.test(0)["loss"]), 4)] == printed


def test_a_loss_in_python_is_caffes(monkeypatch, tmp_path):
    """models/linear_regression: the same numbers as EuclideanLoss, forward and backward, for both bottoms."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(MODELS / "linear_regression")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for layer in ('"Python" python_param { module: "squared_error" layer: "SquaredError" } loss_weight: 2',
                  '"EuclideanLoss" loss_weight: 2'):  # fmt: skip
        (tmp_path / "net.prototxt").write_text(
            "force_backward: true "
            'layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 3 dim: 4 } } }'
            f'layer {{ name: "loss" bottom: "a" bottom: "b" top: "loss" type: {layer} }}'
        )
        net = caffelike.Net("net.prototxt", caffelike.TRAIN)
        a, b = np.random.default_rng(2).standard_normal((2, 3, 4)).astype(np.float32)
        loss = net.forward(a=a, b=b)["loss"].copy()
        net.backward()
        found.append([loss, *(net.blobs[name].diff.copy() for name in "ab")])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_pictures_in_styles(monkeypatch, tmp_path, capsys):
    """models/finetune_style/make_data.py renders every photograph in every style, a quarter of them for the test."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(20):
        Image.fromarray(RNG.integers(0, 256, (40, 60, 3), np.uint8)).save(photos / f"{i}.png")
    monkeypatch.setattr(sys, "argv", ["make_data.py", os.fspath(photos)])
    data_of("finetune_style", monkeypatch, tmp_path)
    assert capsys.readouterr().out == "20 photographs in 5 styles\n"
    for part, count in (("train", 15), ("test", 5)):
        for style in ("haze", "noir", "plain", "soft", "vintage"):
            assert len(list((tmp_path / part / style).glob("*.jpg"))) == count
    noir = np.asarray(Image.open(tmp_path / "train/noir/1.jpg").convert("YCbCr"), int)
    assert abs(noir[..., 1:] - 128).max() <= 1


def test_a_frozen_base_stays_and_costs_no_backward(monkeypatch, tmp_path):
    """models/finetune_style, on pictures of 67 x 67 pixels whose classes differ in their colours."""
    monkeypatch.chdir(tmp_path)
    folder = MODELS / "finetune_style"
    colours = RNG.integers(0, 200, (5, 3, 1, 1))
    records = [((colours[i % 5] + RNG.integers(0, 20, (3, 67, 67))).astype(np.uint8), i % 5) for i in range(15)]
    for part in ("train", "test"):
        write_lmdb(f"style_{part}_lmdb", records)
    net = (folder / "train_val.prototxt").read_text().replace("crop_size: 227", "crop_size: 67")
    (tmp_path / "small.prototxt").write_text(net)
    param = text.read_solver(folder / "solver.prototxt").message
    param.net, param.base_lr, param.random_seed, param.test_iter[0] = "small.prototxt", 0.05, 1, 1
    trained = get_solver(param)
    before = {name: [b.data.copy() for b in blobs] for name, blobs in trained.net.params.items()}
    trained.step(1)
    first = trained.smoothed_loss
    trained.step(25)
    assert trained.smoothed_loss < 0.9 * first
    moved = [name for name, blobs in trained.net.params.items() if (blobs[0].data != before[name][0]).any()]
    assert moved == ["conv10_style"]
    assert not trained.net.blobs["fire9/concat"].diff.any()
    trained.close()

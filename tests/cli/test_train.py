"""`caffelike train`: a small net on random data, from the command line's side."""

import os
import re
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from caffelike import device

NET = """
name: "small"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 display: 2 snapshot: 3 snapshot_prefix: "s"'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    with h5py.File("data.h5", "w") as file:
        file["data"] = random.standard_normal((12, 5)).astype(np.float32)
        file["label"] = random.integers(0, 3, 12).astype(np.float32)
    (tmp_path / "list.txt").write_text("data.h5\n")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


@pytest.mark.parametrize("words", [("solver.prototxt",), ("-solver", "solver.prototxt"), ("--solver=solver.prototxt",)])
def test_training(run, folder, words):
    result = run("train", *words)
    assert result.code == 0
    assert result.out == ""
    assert result.err.rstrip().endswith("Optimization Done.")
    assert {p.name for p in folder.glob("s_iter_*.solverstate")} == {"s_iter_3.solverstate", "s_iter_6.solverstate"}


def test_going_on(run, folder):
    run("train", "solver.prototxt")
    whole = (folder / "s_iter_6.caffemodel").read_bytes()
    (folder / "s_iter_6.caffemodel").unlink()
    result = run("train", "solver.prototxt", "-snapshot", "s_iter_3.solverstate")
    assert result.code == 0
    assert "Resuming from s_iter_3.solverstate" in result.err
    assert (folder / "s_iter_6.caffemodel").read_bytes() == whole


def test_weights_given_as_snapshot_are_named(run, folder):
    run("train", "solver.prototxt")
    result = run("train", "solver.prototxt", "-snapshot", "s_iter_3.caffemodel")
    assert result.code == 1
    assert "s_iter_3.caffemodel holds the weights of a net, not a solver state" in result.err


no_gpu = pytest.mark.skipif("cuda" in device.usable(), reason="there is a GPU here")


@no_gpu
def test_solver_mode_gpu_trains_on_the_cpu_after_a_warning(run, folder):
    (folder / "solver.prototxt").write_text(SOLVER + " solver_mode: GPU")
    result = run("train", "solver.prototxt")
    assert result.code == 0
    assert re.search(r"^W.* solver_mode: GPU is asked for, but training runs on the CPU", result.err, re.M)
    assert "] Use CPU.\n" in result.err


@no_gpu
def test_a_gpu_asked_for_is_an_error(run, folder):
    result = run("train", "solver.prototxt", "-gpu", "0")
    assert result.code == 1
    assert re.search("Cannot use GPU|The GPU needs numba-cuda", result.err)


def test_several_gpus_are_an_error_that_names_what_there_is(run, folder):
    result = run("train", "solver.prototxt", "-gpu", "0,1")
    assert result.code == 1
    assert "asks for several GPUs" in result.err
    assert "`caffelike train SOLVER --ranks 2` on this machine, `mpirun -n 2 caffelike train SOLVER`" in result.err


def test_the_guard_stops_at_a_nan(run, folder):
    with h5py.File("data.h5", "r+") as file:
        file["data"][5, 0] = np.nan
    result = run("train", "solver.prototxt")
    assert result.code == 1
    assert "error: Iteration 1: the loss is NaN. First at top blob 'data' of layer 'data'" in result.err
    result = run("train", "solver.prototxt", "--no-guard")
    assert result.code == 0
    assert "loss = nan" in result.err


@pytest.mark.parametrize(
    ("file", "change", "text"),
    [
        ("solver.prototxt", ('"s"', '"no/s"'), "Cannot write to snapshot prefix 'no/s'"),
        ("solver.prototxt", ("base_lr", "bas_lr"), "solver.prototxt:1:21"),
        ("solver.prototxt", ('"fixed"', '"fixd"'), "Unknown learning rate policy: fixd"),
        ("net.prototxt", ('"InnerProduct"', '"InerProduct"'), "Did you mean InnerProduct"),
        ("net.prototxt", ('bottom: "ip"', 'bottom: "pi"'), "Unknown bottom blob 'pi'"),
        ("net.prototxt", ('"list.txt"', '"lost.txt"'), "lost.txt"),
        ("net.prototxt", ("num_output: 3", "num_output: 2"), "label"),
        ("list.txt", ("data.h5", "date.h5"), "date.h5"),
    ],
)
def test_bad_input_is_one_message(run, folder, file, change, text):
    path = folder / file
    path.write_text(path.read_text().replace(*change))
    result = run("train", "solver.prototxt")
    assert result.code == 1
    last = result.err.rstrip().splitlines()[-1]
    assert last.startswith("caffelike: error: ")
    assert text in last
    assert "internal error" not in last
    assert not list(folder.glob("s_iter_*"))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_signals(folder):
    (folder / "solver.prototxt").write_text(SOLVER.replace("max_iter: 6", "max_iter: 10000000").replace("t: 3", "t: 0"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    words = [sys.executable, "-c", "import sys; from caffelike.cli import main; sys.exit(main())"]
    words += ["train", "solver.prototxt"]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            _wait(lines, "Iteration 2 ")
            process.send_signal(signal.SIGHUP)
            _wait(lines, "Snapshotting solver state")
            process.send_signal(signal.SIGINT)
            _wait(lines, "Snapshotting solver state")
            _wait(lines, "Optimization stopped early.")
            _wait(lines, "Optimization Done.")
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert len(list(folder.glob("s_iter_*.solverstate"))) == 2


def _wait(lines, text):
    for line in lines:
        if text in line:
            return
    raise AssertionError(f"the log ended before: {text}")

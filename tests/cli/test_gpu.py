"""Commands with -gpu 0."""

import re

import pytest

import caffelike

pytestmark = pytest.mark.gpu

NET = """
name: "small"
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { type: "gaussian" } data_filler {} } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = (
    'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 display: 1 random_seed: 1 snapshot_prefix: "s"'
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    yield
    caffelike.set_mode_cpu()


def losses(text):
    return re.findall(r"loss = (\S+)$", text, re.M)


def test_train_time_and_test(run):
    expected = run("train", "solver.prototxt")
    result = run("train", "solver.prototxt", "-gpu", "0")
    assert result.code == 0, result.err
    assert "] Use GPU with device ID 0\n" in result.err
    assert losses(result.err) == losses(expected.err)
    assert len(losses(result.err)) == 3
    result = run("test", "net.prototxt", "s_iter_2.caffemodel", "-iterations", "1", "-gpu", "0")
    assert result.code == 0, result.err
    result = run("time", "net.prototxt", "-iterations", "1", "-gpu", "all")
    assert result.code == 0, result.err
    assert "        ip\tforward: " in result.err


def test_solver_mode_in_the_file(run):
    with open("solver.prototxt", "a") as file:
        file.write(" solver_mode: GPU")
    result = run("train", "solver.prototxt")
    assert result.code == 0, result.err
    assert "] Use GPU with device ID 0\n" in result.err


def test_a_gpu_that_is_not_there(run):
    result = run("train", "solver.prototxt", "-gpu", "77")
    assert result.code == 1
    assert "caffelike: error: Cannot use GPU 77: there " in result.err

"""The three upgrade commands: files, exit codes, and Caffe's line for files that are current."""

import json

import pytest

from caffelike import cli
from caffelike.schema import LayerParameter, NetParameter, text
from caffelike.schema.stored import LayerArrays
from caffelike.schema.weights import read_weights, write_weights

OLD_NET = 'layers { name: "r" type: RELU bottom: "a" top: "b" }'


def run(*words):
    return cli.main([str(word) for word in words])


def test_old_net(tmp_path):
    (tmp_path / "in.prototxt").write_text(OLD_NET)
    assert run("upgrade_net_proto_text", tmp_path / "in.prototxt", tmp_path / "out.prototxt") == 0
    net = text.read(tmp_path / "out.prototxt", NetParameter).message
    assert net.layer[0].type == "ReLU"
    assert not net.layers


def test_current_net_is_written_too_and_said(tmp_path, capsys):
    (tmp_path / "in").write_text('layer { name: "r" type: "ReLU" }')
    assert run("upgrade_net_proto_text", tmp_path / "in", tmp_path / "out") == 0
    assert f"File already in latest proto format: {tmp_path / 'in'}" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == 'layer {\n  name: "r"\n  type: "ReLU"\n}\n'


def test_what_has_no_place_makes_the_exit_code(tmp_path):
    (tmp_path / "in").write_text('layers { layer { name: "r" type: "relu" stride: 2 } }')
    assert run("upgrade_net_proto_text", tmp_path / "in", tmp_path / "out") == 1


def test_solver(tmp_path):
    (tmp_path / "in").write_text("solver_type: ADAM base_lr: 0.01")
    assert run("upgrade_solver_proto_text", tmp_path / "in", tmp_path / "out") == 0
    assert (tmp_path / "out").read_text() == 'base_lr: 0.01\ntype: "Adam"\n'


def test_weights(tmp_path):
    write_weights(tmp_path / "in", "n", [LayerArrays(LayerParameter(name="a", type="ReLU"), [])])
    assert run("upgrade_net_proto_binary", tmp_path / "in", tmp_path / "out") == 0
    assert read_weights(tmp_path / "out").layers[0].name == "a"


@pytest.mark.parametrize("kind", ["net_proto_text", "net_proto_binary", "solver_proto_text"])
def test_missing_file_is_one_line(tmp_path, capsys, kind):
    assert run(f"upgrade_{kind}", tmp_path / "none", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "Could not open file" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


V1_NET = """input: "x" input_dim: 1 input_dim: 2 input_dim: 1 input_dim: 1
layers { name: "r" type: RELU bottom: "x" top: "x" }"""


def test_upgrade_in_place_keeps_a_backup(run, tmp_path):
    net, solver = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(V1_NET)
    solver.write_text('net: "net.prototxt" solver_type: ADAM base_lr: 0.1')
    assert run("upgrade", "--check", net, solver).code == 1
    result = run("upgrade", net, solver)
    assert (result.code, result.out) == (0, f"{net}: upgraded\n{solver}: upgraded\n")
    assert 'type: "ReLU"' in net.read_text()
    assert 'type: "Adam"' in solver.read_text()
    assert (tmp_path / "net.prototxt.bak").read_text() == V1_NET
    assert json.loads(run("upgrade", net, "--json").out) == {str(net): "current"}
    again = run("upgrade", net, solver)
    assert (again.code, again.out) == (0, f"{net}: current\n{solver}: current\n")


def test_upgrade_of_weights_in_place(run, tmp_path):
    path = tmp_path / "old.caffemodel"
    old = NetParameter()
    layer = old.layers.add(name="ip", type=14)
    layer.blobs.add(num=1, channels=1, height=1, width=2, data=[1, 2])
    path.write_bytes(old.SerializeToString())
    assert run("upgrade", path).out == f"{path}: upgraded\n"
    assert NetParameter.FromString(path.read_bytes()).layer[0].type == "InnerProduct"
    assert run("upgrade", path).out == f"{path}: current\n"

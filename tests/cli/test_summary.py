"""caffelike summary, and the counting behind it."""

import json
import subprocess
import sys

import numpy as np
import pytest

import caffelike
from caffelike import TEST, TRAIN
from caffelike.cli import main
from caffelike.errors import CaffelikeError, ModelError
from caffelike.summary import FIRST, describe

NET = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { source: "nowhere_lmdb" backend: LMDB batch_size: 8 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 6 kernel_size: 3 group: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
        convolution_param { num_output: 3 kernel_size: 2 stride: 2 bias_term: false } }
layer { name: "flat" type: "Flatten" bottom: "up" top: "flat" }
layer { name: "ip_a" type: "InnerProduct" bottom: "flat" top: "ip_a" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 5 } }
layer { name: "ip_b" type: "InnerProduct" bottom: "flat" top: "ip_b" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip_a" bottom: "label" top: "loss" }
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.prototxt"
    path.write_text(NET)
    return path


def test_counts(small):
    """Every number worked out by hand for data 2 x 4 x 5 x 5."""
    rows = {row.name: row for row in describe(small, inputs={FIRST: (2, 4, 5, 5)}).layers}
    assert list(rows) == ["data", "conv", "relu", "up", "flat", "ip_a", "ip_b", "loss"]
    assert rows["data"].tops == {"data": (2, 4, 5, 5), "label": (2,)}
    assert rows["data"].activation_bytes == 4 * (2 * 4 * 5 * 5 + 2)
    # 6 filters of 4/2 x 3 x 3 and 6 biases; each filter tap once for each of 2 x 3 x 3 places
    assert rows["conv"].parameters == 6 * 2 * 9 + 6
    assert rows["conv"].macs == 6 * 2 * 9 * 2 * 9
    assert rows["conv"].activation_bytes == 4 * 2 * 6 * 9
    assert (rows["relu"].parameters, rows["relu"].macs, rows["relu"].activation_bytes) == (0, 0, 0)  # in place
    # each of the 6 x 3 x 2 x 2 weights once for each of 2 x 3 x 3 inputs
    assert rows["up"].tops == {"up": (2, 3, 6, 6)}
    assert (rows["up"].parameters, rows["up"].macs) == (72, 72 * 18)
    assert rows["flat"].activation_bytes == 0  # the bottom's memory
    assert (rows["ip_a"].parameters, rows["ip_a"].macs) == (108 * 5 + 5, 2 * 108 * 5)
    assert (rows["ip_b"].parameters, rows["ip_b"].macs) == (0, 2 * 108 * 5)  # shared with ip_a
    assert rows["loss"].tops == {"loss": ()}


def test_recurrent_weights_count_for_each_step(tmp_path):
    path = tmp_path / "lstm.prototxt"
    path.write_text("""
layer { name: "in" type: "Input" top: "x" top: "cont" top: "fixed"
        input_param { shape { dim: 7 dim: 2 dim: 3 } shape { dim: 7 dim: 2 } shape { dim: 2 dim: 5 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" bottom: "fixed" top: "y"
        recurrent_param { num_output: 4 } }
""")
    row = describe(path).layers[-1]
    assert row.parameters == 16 * (3 + 1 + 5 + 4)
    assert row.macs == 16 * 2 * (7 * (3 + 4) + 5)


def test_totals(small):
    summary = describe(small, TRAIN, {"data": (2, 4, 5, 5), "label": (2,)})
    assert (summary.name, summary.phase) == ("small", "TRAIN")
    for column, total in summary.totals.items():
        assert total == sum(getattr(row, column) for row in summary.layers) > 0


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("share", [False, True])
def test_memory_is_what_a_pass_takes(tmp_path, phase, share):
    """What is said before running is what has been allocated after a pass."""
    path = tmp_path / "net.prototxt"
    path.write_text(
        NET.replace('Data"', 'Input"').replace(
            'data_param { source: "nowhere_lmdb" backend: LMDB batch_size: 8 }',
            "input_param { shape { dim: 2 dim: 4 dim: 5 dim: 5 } shape { dim: 2 } }",
        )
    )
    if phase == TEST:  # else it has a loss, and its passes are those of training
        path.write_text(path.read_text().rpartition("layer {")[0])
    summary = describe(path, phase)
    said = summary.training if phase == TRAIN else summary.inference
    net = caffelike.Net(path, phase)
    net.share_memory(share)
    if phase == TRAIN:
        net.forward_backward()
    else:
        net.run_forward()
    nodes = net._nodes
    blobs = [blob for node in nodes for blob in (*node.bottom, *node.top)]
    found = {id(storage): storage.array for blob in blobs for storage in (blob.data_storage, blob.diff_storage)}
    arrays = [*found.values(), *(array for node in nodes for array in node.arrays.values() if array is not None)]
    shared = net._plan.shared
    outside = [a for a in arrays if not (shared and np.may_share_memory(a, shared.arena))]
    taken = sum(array.nbytes for array in outside) + (shared.arena.nbytes if shared else 0)
    assert taken == (said.shared if share else said.blobs)
    assert said.parameters == net.arena_data.nbytes * (3 if phase == TRAIN else 1)


def test_counting_asks_no_kernels(tmp_path):
    """A sum that a convolution's kernel would make counts as any other blob, and Numba stays out of it."""
    path = tmp_path / "net.prototxt"
    conv = "convolution_param { num_output: 4 kernel_size: 1 }"
    path.write_text(f"""
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 4 dim: 8 dim: 8 }} }} }}
layer {{ name: "a" type: "Convolution" bottom: "x" top: "a" {conv} }}
layer {{ name: "b" type: "Convolution" bottom: "a" top: "b" {conv} }}
layer {{ name: "c" type: "Convolution" bottom: "b" top: "c" {conv} }}
layer {{ name: "s" type: "Eltwise" bottom: "a" bottom: "c" top: "s" }}
layer {{ name: "y" type: "AbsVal" bottom: "s" top: "y" }}""")
    code = f"""
import sys
from caffelike.summary import describe
print(describe({str(path)!r}).inference.blobs, "numba" in sys.modules)"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(6 * 4 * 256), "False"]


def test_missing_data_says_what_helps(small, capsys):
    assert main(["summary", str(small)]) == 1
    message = capsys.readouterr().err
    assert "nowhere_lmdb" in message
    assert "--input 64,3,227,227" in message
    assert "Traceback" not in message


def test_an_inner_blob_can_be_an_input(small):
    rows = describe(small, inputs={"data": (2, 4, 5, 5), "up": (2, 3, 4, 4)}).layers
    assert [row.type for row in rows if "up" in row.tops] == ["Input"]
    assert next(row for row in rows if row.name == "ip_a").macs == 2 * 48 * 5


def test_table(small, capsys):
    assert main(["summary", str(small), "--input", "2x4x5x5", "-phase", "TRAIN"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "small (TRAIN)"
    assert next(line.split() for line in lines if "conv " in line) == [
        *("conv", "Convolution", "2", "x", "6", "x", "3", "x", "3", "3", "x", "3", "114", "1,944", "432")
    ]
    assert lines[-3].split()[0] == "total"
    assert [line.split(":")[0] for line in lines[-2:]] == ["Memory for inference", "Memory for training"]
    assert all(line == line.rstrip() for line in lines)


def test_json(small, capsys):
    assert main(["summary", "--json", str(small), "--input", "data=2,4,5,5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"][1] == {
        "name": "conv",
        "type": "Convolution",
        "tops": {"conv": [2, 6, 3, 3]},
        "parameters": 114,
        "macs": 1944,
        "activation_bytes": 432,
        "receptive_field": {"data": {"size": [3, 3], "stride": [1, 1]}},
    }
    assert set(told["training"]) == {"parameters", "blobs", "shared"}
    assert told["totals"]["parameters"] == sum(layer["parameters"] for layer in told["layers"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.prototxt"], "Could not open file nosuch.prototxt"),
        (["lenett"], "Did you mean lenet"),
        (["lenet", "--phase", "train", "--input", "big"], "--input takes a shape such as 64,3,227,227"),
        (["lenet", "--input", "big"], "--input takes a shape such as 64,3,227,227"),
        (["lenet", "--input", "dta=1,1,28,28"], "No layer makes the blob 'dta' that --input names"),
        (["lenet", "--input", "1,1,2,2"], "kernel"),
    ],
)
def test_errors(arguments, message, capsys):
    assert main(["summary", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_code_named_by_a_model_is_not_run(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "mine" type: "Python" top: "out" python_param { module: "os" layer: "abort" } }'
    )
    with pytest.raises(ModelError, match=r"net\.prototxt:1:1: layer 'mine' runs Python code of its own"):
        describe(tmp_path / "net.prototxt")
    assert describe(tmp_path / "net.prototxt", inputs={"out": (1, 2)}).layers[0].type == "Input"


def test_unnamed_input_needs_a_layer_without_bottoms(tmp_path):
    (tmp_path / "empty.prototxt").write_text('name: "empty"')
    with pytest.raises(CaffelikeError, match="no layer without bottoms"):
        describe(tmp_path / "empty.prototxt", inputs={FIRST: (1, 2)})

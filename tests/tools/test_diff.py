import json

import numpy as np
import pytest

from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.schema import LayerParameter
from caffelike.schema.stored import LayerArrays
from caffelike.schema.weights import write_hdf5_weights, write_weights
from caffelike.tools.diff import Difference, diff_nets, diff_weights

A = """name: "a"
layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "in" top: "ip" inner_product_param { num_output: 2 axis: 1 } }
layer { name: "r" type: "ReLU" bottom: "ip" top: "ip" }
"""
B = """name: "a"
layers { name: "in" type: DUMMY_DATA top: "in" }
layers { name: "r" type: RELU bottom: "ip" top: "ip" relu_param { negative_slope: 0.5 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "in" top: "ip" inner_product_param { num_output: 3 } }
layers { name: "p" type: SOFTMAX bottom: "ip" top: "p" }
"""


def written(tmp_path, name, values):
    path = tmp_path / name
    layers = [LayerArrays(LayerParameter(name="ip"), [(np.array(v, np.float32), None) for v in values])]
    (write_hdf5_weights if name.endswith(".h5") else lambda p, x: write_weights(p, "n", x))(path, layers)
    return path


def test_nets_are_compared_by_layer_in_the_current_form(tmp_path):
    (tmp_path / "a").write_text(A)
    (tmp_path / "b").write_text(B)
    assert diff_nets(tmp_path / "a", tmp_path / "a") == []
    found = diff_nets(tmp_path / "a", tmp_path / "b")
    assert Difference("ip", "inner_product_param.num_output", "2", "3") in found  # and axis: 1 is its default
    assert Difference("r", "relu_param.negative_slope", "0", "0.5") in found
    assert Difference("p", "layer", "", "Softmax") in found
    assert Difference("in", "type", "Input", "DummyData") in found
    assert Difference("", "order", "ip", "r") in found
    assert len(found) == 6  # and the input's shape


def test_weights_are_compared_by_value_whatever_the_format(tmp_path):
    a = written(tmp_path, "a.caffemodel", [[1, 2, np.nan], [4]])
    assert diff_weights(a, written(tmp_path, "a.caffemodel.h5", [[1, 2, np.nan], [4]])) == []
    (found,) = diff_weights(a, written(tmp_path, "b.caffemodel", [[1, 2, np.nan], [5]]))
    assert found == Difference("ip", "blob 1", "1", "1", 1.0, pytest.approx(0.2))
    (found,) = diff_weights(a, written(tmp_path, "c.caffemodel", [[1, 2, np.nan], [4, 5]]))
    assert (found.what, found.a, found.b, found.largest) == ("blob 1", "1", "2", None)


def test_command_exit_code_and_json(tmp_path, capsys):
    a, b = (written(tmp_path, f"{name}.caffemodel", [[value]]) for name, value in (("a", 1), ("b", 1.001)))
    assert main(["diff", str(a), str(b)]) == 1
    assert capsys.readouterr().out == "ip: blob 0: largest difference 0.001, relative 0.000999\n"
    assert main(["diff", str(a), str(b), "--tolerance", "1e-2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_solvers_are_compared_too(tmp_path, capsys):
    (tmp_path / "a").write_text('net: "n" base_lr: 0.1 solver_type: ADAM')
    (tmp_path / "b").write_text('net: "n" base_lr: 0.01 type: "Adam"')
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert capsys.readouterr().out == "base_lr: 0.1 -> 0.01\n"


def test_files_of_different_kinds(tmp_path, capsys):
    (tmp_path / "a").write_text(A)
    weights = written(tmp_path, "a.caffemodel", [[1]])
    assert main(["diff", str(tmp_path / "a"), str(weights)]) == 1
    assert "is a definition, but" in capsys.readouterr().err
    with pytest.raises(CaffelikeError, match="Could not open file"):
        diff_weights(tmp_path / "none", weights)

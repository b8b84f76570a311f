"""caffelike layers: the list, one type, JSON."""

import json

from caffelike.layer_catalog import own_types


def test_the_list_has_every_type_with_its_summary(run):
    result = run("layers")
    assert result.code == 0
    rows = {line.split()[0]: line for line in result.out.splitlines() if line}
    assert set(own_types()) <= set(rows)
    assert "NumPy CPU" in rows["Convolution"]
    assert rows["AbsVal"].endswith("y = |x|.")
    assert "docs/layers.md" in result.out.splitlines()[-1]


def test_one_type(run):
    result = run("layers", "Pooling")
    assert result.code == 0
    assert result.out.startswith("Pooling\n\nThe largest value (MAX)")
    assert "pooling_param.pool             MAX | AVE | STOCHASTIC   default MAX\n" in result.out
    assert "Kernels: NumPy, CPU, CUDA\nChecked against: BVLC Caffe 1.0 (" in result.out
    assert "Checked against: finite differences (tests/layers/test_pooling.py::CONTRACT)" in result.out


def test_json(run):
    whole = json.loads(run("layers", "--json").out)
    one = json.loads(run("layers", "ReLU", "--json").out)
    assert one in whole
    assert one["options"][0] == {"name": "relu_param.negative_slope", "type": "float", "default": 0.0, "forks": ""}
    assert one["source"] == "Nair and Hinton, ICML 2010; Maas et al., ICML 2013"
    assert "layers/ties_relu" in one["checked"]["BVLC Caffe 1.0"]


def test_an_unknown_type(run):
    result = run("layers", "Poling")
    assert result.code == 1
    assert "Did you mean Pooling or" in result.err

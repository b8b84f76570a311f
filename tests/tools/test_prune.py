import json

import numpy as np
import pytest

import caffelike
from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.tools.prune import prune

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 2 dim: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_h: 2 kernel_w: 1 } }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "a" type: "InnerProduct" bottom: "conv" top: "a" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 3 } }
layer { name: "b" type: "InnerProduct" bottom: "conv" top: "b" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 3 } }
"""
CONV = [1, -2, 3, -4, 0, 6, -7, 8]
INNER = [[0.5, -0.1], [0.2, 0.2], [-3, 0.2]]


@pytest.fixture
def files(tmp_path):
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(NET)
    net = caffelike.Net(path, caffelike.TEST)
    net.params["conv"][0].data.flat = CONV
    net.params["a"][0].data[...] = INNER
    for name in ("conv", "a"):
        net.params[name][1].data[...] = 0.01
    net.save(weights)
    return path, weights


def load(files):
    return caffelike.Net(files[0], caffelike.TEST, weights=files[1])


def test_the_smallest_of_each_layer(files):
    """Of 8 the smallest 4, one of which is 0 already; of 6 the smallest 3, the first of three equal ones."""
    net = load(files)
    conv, inner = prune(net, fraction=0.5)
    assert net.params["conv"][0].data.ravel().tolist() == [0, 0, 0, -4, 0, 6, -7, 8]
    np.testing.assert_array_equal(net.params["a"][0].data, np.float32([[0.5, 0], [0, 0], [-3, 0.2]]))
    assert (conv.layer, conv.weights, conv.zeros, conv.zeros_before, conv.threshold) == ("conv", 8, 4, 1, 3)
    assert conv.share == pytest.approx((1 + 4 + 9) / sum(x * x for x in CONV))
    assert (inner.layer, inner.zeros, inner.zeros_before) == ("a", 3, 0)  # b has its weights from a
    assert inner.threshold == pytest.approx(0.2)
    assert all((net.params[name][1].data == np.float32(0.01)).all() for name in ("conv", "a"))
    assert (net.params["prelu"][0].data == 0.25).all()


def test_a_threshold_and_layers_of_their_own(files):
    net = load(files)
    (inner,) = prune(net, threshold=0.2, only={"a": None})
    assert inner.zeros == 4
    assert net.params["conv"][0].data.ravel().tolist() == CONV
    conv, inner = prune(load(files), fraction=0, only={"conv": 1, "a": None})
    assert (conv.zeros, conv.share, inner.zeros) == (8, 1, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either a fraction"),
        ({"fraction": 0.1, "threshold": 1}, "either a fraction"),
        ({"fraction": 1.5}, "fraction for 'conv' is 1.5; it must lie between 0 and 1"),
        ({"threshold": float("nan")}, "threshold for 'conv' is nan"),
        (
            {"fraction": 0.5, "only": {"prelu": None}},
            "'prelu' is no layer with weights .*: conv, a.",
        ),
    ],
)
def test_errors(files, given, message):
    with pytest.raises(CaffelikeError, match=message):
        prune(load(files), **given)


def test_command(files, tmp_path, capsys):
    out = tmp_path / "pruned.caffemodel"
    assert main(["prune", *map(str, files), str(out), "--fraction", "0.25", "--layer", "conv=0.5", "--layer", "a"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line.split() for line in lines if "conv" in line) == ["conv", "8", "50.0%", "3", "7.82%"]
    assert lines[-1] == f"Wrote {out}: 6 of 14 weights are 0"
    pruned = load((files[0], out))
    assert np.count_nonzero(pruned.params["conv"][0].data) == 4
    assert main(["prune", *map(str, files), str(out), "--fraction", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["weights"], told["zeros"], told["layers"][1]["layer"]) == (14, 1, "a")
    assert main(["prune", *map(str, files), str(out), "--fraction", "1", "--layer", "a=much"]) == 1
    assert "--layer takes NAME or NAME=VALUE, not a=much" in capsys.readouterr().err

import json

import numpy as np
import pytest

import caffelike
from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.tools.fold import fold

NET = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 6 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 4 kernel_size: 3 bias_term: false weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bn1" type: "BatchNorm" bottom: "c1" top: "b1" }
layer { name: "s1" type: "Scale" bottom: "b1" top: "b1" scale_param { bias_term: true } }
layer { name: "r1" type: "ReLU" bottom: "b1" top: "b1" }
layer { name: "c2" type: "Convolution" bottom: "b1" top: "c2"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bn2" type: "BatchNorm" bottom: "c2" top: "c2n" }
layer { name: "sum" type: "Eltwise" bottom: "b1" bottom: "c2n" top: "sum" }
layer { name: "bn3" type: "BatchNorm" bottom: "sum" top: "sum" }
layer { name: "c4" type: "Convolution" bottom: "sum" top: "c4" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "bn4" type: "BatchNorm" bottom: "c4" top: "bn4" }
layer { name: "both" type: "Concat" bottom: "c4" bottom: "bn4" top: "both" }
"""


@pytest.fixture
def files(tmp_path):
    """The net with weights that are not trivial, as files."""
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(NET)
    net = caffelike.Net(path, caffelike.TEST)
    rng = np.random.default_rng(0)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.uniform(0.5, 2, blob.shape)
    net.save(weights)
    return path, weights


def test_outputs_stay_and_layers_go(files, tmp_path, capsys):
    out, out_weights = tmp_path / "folded.prototxt", tmp_path / "folded.caffemodel"
    assert main(["fold-bn", *map(str, files), str(out), str(out_weights)]) == 0
    # bn3 stands behind no weights, and bn4's input is an output of its own
    assert capsys.readouterr().out == "Folded 3 layers: bn1, s1, bn2\n"
    assert main(["fold-bn", *map(str, files), str(out), str(out_weights), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folded": ["bn1", "s1", "bn2"]}
    data = np.random.default_rng(1).normal(size=(2, 3, 5, 6)).astype(np.float32)
    results = []
    for definition, weights in (files, (out, out_weights)):
        net = caffelike.Net(definition, caffelike.TEST, weights=weights)
        results.append(net.forward(data=data)["both"].copy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-4)
    assert [n for n in net._layer_names if not n.endswith("_split")] == [
        "data", "c1", "r1", "c2", "sum", "bn3", "c4", "bn4", "both",
    ]  # fmt: skip


def test_weights_used_twice_are_left_alone(files, tmp_path):
    path = tmp_path / "shared.prototxt"
    conv = """layer {{ name: "{0}" type: "Convolution" bottom: "data" top: "{0}"
      param {{ name: "w" }} param {{ name: "b" }} convolution_param {{ num_output: 3 kernel_size: 1 }} }}
    layer {{ name: "{0}n" type: "BatchNorm" bottom: "{0}" top: "{0}" }}"""
    path.write_text("\n".join([NET.split("\n")[1], conv.format("a"), conv.format("b")]))
    weights = tmp_path / "shared.caffemodel"
    caffelike.Net(path, caffelike.TEST).save(weights)
    with pytest.raises(CaffelikeError, match="no BatchNorm or Scale stands behind"):
        fold(path, weights)

import json

import numpy as np
import pytest

import caffelike
from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.tools.filters import remove_filters

NET = """name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "bn1" type: "BatchNorm" bottom: "c1" top: "c1" }
layer { name: "s1" type: "Scale" bottom: "c1" top: "c1" scale_param { bias_term: true } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "p1" type: "Pooling" bottom: "c1" top: "p1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "dw" type: "Convolution" bottom: "p1" top: "dw"
  convolution_param { num_output: 6 group: 6 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "a1" type: "PReLU" bottom: "dw" top: "a1" }
layer { name: "c2" type: "Convolution" bottom: "a1" top: "c2" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "c3" type: "Convolution" bottom: "a1" top: "c3" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "c2" bottom: "c3" top: "sum" }
layer { name: "d4" type: "Deconvolution" bottom: "sum" top: "d4" convolution_param { num_output: 5 kernel_size: 2 } }
layer { name: "f4" type: "Flatten" bottom: "d4" top: "f4" }
layer { name: "i5" type: "InnerProduct" bottom: "f4" top: "i5" inner_product_param { num_output: 8 } }
layer { name: "r5" type: "ReLU" bottom: "i5" top: "i5" }
layer { name: "drop5" type: "Dropout" bottom: "i5" top: "i5" include { phase: TRAIN } }
layer { name: "i6" type: "InnerProduct" bottom: "i5" top: "i6" inner_product_param { num_output: 3 transpose: true } }
layer { name: "prob" type: "Softmax" bottom: "i6" top: "prob" }
"""
OF_C1 = ("c1", "bn1", "s1", "dw", "a1")


@pytest.fixture
def files(tmp_path):
    """The net with weights that are not trivial, as files."""
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(NET)
    net = caffelike.Net(path, caffelike.TEST)
    rng = np.random.default_rng(0)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.uniform(-1, 1, blob.shape)
    net.params["bn1"][1].data[...] = rng.uniform(0.5, 1, 6)
    net.params["bn1"][2].data[...] = 1
    for name, order in (("c1", [3, 1, 5, 0, 2, 4]), ("i5", range(8))):
        weight = net.params[name][0].data
        for place, number in enumerate(order):
            weight[number] *= (1 + place) / np.abs(weight[number]).sum()
    net.params["d4"][0].data[:, 2] *= 0.01
    net.save(weights)
    return path, weights


def test_the_smaller_net_is_that_with_these_filters_zero(files, tmp_path, capsys):
    out, out_weights = tmp_path / "small.prototxt", tmp_path / "small.caffemodel"
    command = ["prune", *map(str, files), str(out_weights), "--filters", str(out), "--fraction", "0.5", "--layer"]
    assert main([*command, "c1", "--layer", "d4=0.2", "--layer", "i5=0.25"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if "%" in line] == [["c1", "6", "3"], ["d4", "5", "4"], ["i5", "8", "6"]]
    assert lines[-1].endswith(" parameters are left")

    zeroed = caffelike.Net(files[0], caffelike.TEST, weights=files[1])
    for name in OF_C1:
        for blob in zeroed.params[name][: 2 if name == "bn1" else None]:
            blob.data[[1, 3, 5]] = 0  # the three smallest norms
    zeroed.params["bn1"][1].data[[1, 3, 5]] = 1
    zeroed.params["d4"][0].data[:, 2] = 0
    zeroed.params["d4"][1].data[2] = 0
    for blob in zeroed.params["i5"]:
        blob.data[:2] = 0
    small = caffelike.Net(out, caffelike.TEST, weights=out_weights)
    assert [small.params[n][0].shape for n in ("c1", "dw", "c2", "d4", "i5", "i6")] == [
        (3, 3, 3, 3), (3, 1, 3, 3), (4, 3, 1, 1), (4, 4, 2, 2), (6, 80), (6, 3),
    ]  # fmt: skip
    data = np.random.default_rng(1).normal(size=(2, 3, 9, 8)).astype(np.float32)
    wanted, got = zeroed.forward(data=data)["prob"], small.forward(data=data)["prob"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    counted = sum(blob.count for net in (small,) for blobs in net.params.values() for blob in blobs)
    assert f" {counted:,} of " in lines[-1]
    assert "drop5" in caffelike.Net(out, caffelike.TRAIN).layer_dict  # to be trained on


def test_all_layers_that_can_with_the_reasons_of_the_others(files, tmp_path, capsys):
    out = [str(tmp_path / "small.caffemodel"), "--filters", str(tmp_path / "small.prototxt")]
    assert main(["prune", *map(str, files), *out, "--threshold", "2.5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["layer"]: one["removed"] for one in told["layers"]} == {"c1": [1, 3], "d4": [2], "i5": [0, 1]}
    assert told["layers"][0]["share"] == pytest.approx(3 / 21)
    assert told["kept"] == {
        "c2": "'sum' (Eltwise) reads it, which needs all of its channels",
        "c3": "'sum' (Eltwise) reads it, which needs all of its channels",
        "i6": "'prob' (Softmax) reads it, which needs all of its channels",
    }
    assert told["after"] < told["before"]
    assert main(["prune", *map(str, files), *out, "--fraction", "0.5"]) == 0
    assert "c2 keeps its filters: 'sum' (Eltwise) reads it, which needs all" in capsys.readouterr().out


def test_one_filter_stays(files):
    found = remove_filters(*files, fraction=1, only={"i5": None})
    assert found.removed[0].removed == list(range(7))


@pytest.mark.parametrize(
    ("old", "new", "only", "message"),
    [
        (
            "",
            "",
            {"c2": None},
            r"of 'c2' cannot be removed: 'sum' \(Eltwise\) reads it, which needs all of its channels",
        ),
        ("", "", {"r1": None}, "'r1' is no layer with filters. There are: c1, c2, c3, d4, i5, i6."),
        ("", "", {"i5": 1.5}, "fraction for 'i5' is 1.5; it must lie between 0 and 1"),
        ('ReLU" bottom: "i5"', 'Sigmoid" bottom: "i5"', {"i5": None}, r"'r5' \(Sigmoid\) reads it, which needs"),
        (
            'bottom: "i5" top: "i5" incl',
            'bottom: "f4" top: "z" incl',
            {"d4": None},
            r"'drop5' \(Dropout\), which is not",
        ),
        ('PReLU" bottom: "dw"', 'LRN" bottom: "dw"', {"c1": None}, r"'a1' \(LRN\) reads it"),
        ("num_output: 6 kernel_size", "num_output: 6 group: 3 kernel_size", {"c1": None}, "it has 3 groups"),
        (
            "num_output: 4 kernel_size",
            "num_output: 4 group: 2 kernel_size",
            {"c1": None},
            "'c2'.* reads it in 2 groups",
        ),
    ],
)
def test_refused(files, tmp_path, old, new, only, message):
    path = tmp_path / "other.prototxt"
    path.write_text(NET.replace(old, new))
    other = tmp_path / "other.caffemodel"
    caffelike.Net(path, caffelike.TEST).save(other)
    with pytest.raises(CaffelikeError, match=message):
        remove_filters(path, other, fraction=0.5, only=only)


def test_nothing_to_remove_and_neither_fraction_nor_threshold(files, tmp_path):
    with pytest.raises(CaffelikeError, match="either a fraction of the filters"):
        remove_filters(*files)
    path = tmp_path / "one.prototxt"
    path.write_text(
        'input: "x" input_shape { dim: 1 dim: 3 } layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"'
        " inner_product_param { num_output: 2 } }"
    )
    caffelike.Net(path, caffelike.TEST).save(tmp_path / "one.caffemodel")
    with pytest.raises(CaffelikeError, match=r"no layer's filters can be removed \(ip: 'y' is an output of the net\)"):
        remove_filters(path, tmp_path / "one.caffemodel", fraction=0.5)

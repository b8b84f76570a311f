"""What `check` says of definitions that run, but hardly do what is meant."""

import pytest

from caffelike import TEST, TRAIN
from caffelike.check import check

DATA = """layer { name: "d" type: "DummyData" top: "x" top: "label"
  dummy_data_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } } }
"""
INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n'
XAVIER = 'weight_filler { type: "xavier" }'
LABEL = 'layer { name: "in2" type: "Input" top: "label" input_param { shape { dim: 2 } } }\n'


def layer(kind, name, bottom, top=None, rest=""):
    bottoms = " ".join(f'bottom: "{b}"' for b in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top or name}" {rest} }}\n'


def ip(name, bottom, outputs=3, rest=XAVIER, param=""):
    return layer("InnerProduct", name, bottom, rest=f"{param} inner_product_param {{ num_output: {outputs} {rest} }}")


LOSS = layer("SoftmaxWithLoss", "loss", "ip label")
BN = layer("BatchNorm", "bn", "ip")
CASES = [
    ("a good net", DATA + ip("ip", "x") + LOSS, []),
    ("softmax twice", DATA + ip("ip", "x") + layer("Softmax", "p", "ip") + layer("SoftmaxWithLoss", "l", "p label"),
     [("warning", "l", "it is applied twice")]),
    ("sigmoid twice", DATA + ip("ip", "x", 1) + layer("Sigmoid", "ip2", "ip")
     + layer("SigmoidCrossEntropyLoss", "l", "ip2 ip2"), [("warning", "l", "computes Sigmoid itself")]),
    ("scores cut at 0", DATA + ip("ip", "x") + layer("ReLU", "r", "ip", "ip") + LOSS,
     [("warning", "loss", "its scores come from the ReLU 'r'")]),
    ("leaky scores", DATA + ip("ip", "x") + layer("ReLU", "r", "ip", "ip", "relu_param { negative_slope: 0.1 }") + LOSS,
     []),
    ("weights of 0", DATA + ip("ip", "x", rest="") + LOSS, [("warning", "ip", "its weights start at 0")]),
    ("frozen weights", DATA + ip("ip", "x", rest="", param="param { lr_mult: 0 } param { lr_mult: 0 }") + LOSS, []),
    ("weights to be loaded", INPUT + ip("ip", "x", rest="") + layer("Softmax", "p", "ip"), []),
    ("one class", DATA + ip("ip", "x", 1) + LOSS, [("warning", "loss", "'ip' has num_output: 1")]),
    ("accuracy", DATA + ip("ip", "x") + LOSS + layer("Accuracy", "a", "ip label"), [("note", "a", "include { phase")]),
    ("bias before BatchNorm", DATA + ip("ip", "x") + BN + layer("EuclideanLoss", "l", "bn bn"),
     [("note", "ip", "BatchNorm 'bn' takes its bias away")]),
    ("batch statistics", INPUT + layer("BatchNorm", "bn", "x", rest="batch_norm_param { use_global_stats: false }"),
     [("warning", "bn", "use_global_stats: false while testing")]),
    ("scores as answers", INPUT + ip("ip", "x"), [("note", "ip", "its 3 outputs are the net's answer")]),
    ("a loss to use", INPUT + LABEL + ip("ip", "x") + LOSS,
     [("note", "loss", "`caffelike deploy` puts Softmax in its place")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [pytest.param(t, w, id=name) for name, t, w in CASES])
def test_rules(text, wanted, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    found = [(problem.level, problem.layer, problem.message) for problem in check(path, phases=(TRAIN, TEST))]
    assert [problem[:2] for problem in found] == [problem[:2] for problem in wanted]
    for (*_, message), (*_, part) in zip(found, wanted, strict=True):
        assert part in message


def test_nothing_is_said_of_a_net_with_errors(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(DATA + ip("ip", "x", rest="") + layer("Softmax", "p", "nowhere"))
    assert [problem.level for problem in check(path)] == ["error"]

import pytest

import caffelike
from caffelike import hub
from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.schema import text
from caffelike.tools.deploy import deploy

DATA = """layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 8 } data_param { source: "none" batch_size: 4 } }"""
IP = """layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ lr_mult: 2 }}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}"""


def net(tmp_path, *layers):
    path = tmp_path / "train_val.prototxt"
    path.write_text("\n".join([DATA, *layers]))
    return path


def types(message):
    return [(layer.type, *layer.top) for layer in message.layer]


def test_labels_loss_and_fillers_go(tmp_path):
    message = deploy(
        net(
            tmp_path,
            IP.format("ip", "data"),
            'layer { name: "a" type: "Accuracy" bottom: "ip" bottom: "label" top: "a" }',
            """layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l"
              softmax_param { axis: 1 } }""",
        )
    )
    assert types(message) == [("Input", "data"), ("InnerProduct", "ip"), ("Softmax", "prob")]
    assert list(message.layer[0].input_param.shape[0].dim) == [1, 3, 8, 8]
    assert not message.layer[1].param
    assert not message.layer[1].inner_product_param.HasField("weight_filler")
    assert message.layer[2].softmax_param.axis == 1


def test_an_auxiliary_head_goes_with_all_its_layers(tmp_path):
    message = deploy(
        net(
            tmp_path,
            IP.format("trunk", "data"),
            IP.format("aux", "trunk"),
            'layer { name: "r" type: "ReLU" bottom: "aux" top: "aux" }',
            'layer { name: "l0" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "l0" loss_weight: 0.3 }',
            IP.format("head", "trunk"),
            'layer { name: "l1" type: "SigmoidCrossEntropyLoss" bottom: "head" bottom: "label" top: "l1" }',
        )
    )
    assert types(message) == [
        ("Input", "data"),
        ("InnerProduct", "trunk"),
        ("InnerProduct", "head"),
        ("Sigmoid", "prob"),
    ]


def test_the_output_before_a_loss_without_activation_stays(tmp_path):
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "l" }'
    assert types(deploy(net(tmp_path, IP.format("ip", "data"), loss)))[-1] == ("InnerProduct", "ip")


def test_shapes_may_be_given(tmp_path):
    path = net(tmp_path, IP.format("ip", "data"))
    assert list(deploy(path, {"data": (5, 1, 4, 4)}).layer[0].input_param.shape[0].dim) == [5, 1, 4, 4]
    with pytest.raises(CaffelikeError, match="no data layer makes the blob 'dat'"):
        deploy(path, {"dat": (1, 1)})


def test_a_shape_that_nobody_says_is_asked_for():
    with pytest.raises(CaffelikeError, match=r"layer 'data' \(Data\).*--input data=1,3,227,227"):
        deploy(hub.root() / "lenet" / "train_val.prototxt")


def test_weights_of_the_trained_net_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "deploy.prototxt"
    assert main(["deploy", str(hub.root() / "lenet" / "train_val.prototxt"), str(target), "--input", "1,1,28,28"]) == 0
    assert types(text.read_net(target).message) == types(
        text.read_net(hub.root() / "lenet" / "deploy.prototxt").message
    )
    caffelike.load("lenet").save(str(tmp_path / "w.caffemodel"))
    assert caffelike.Net(target, caffelike.TEST, weights=tmp_path / "w.caffemodel").outputs == ["prob"]

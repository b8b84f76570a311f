import pytest

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.errors import CaffelikeError
from caffelike.net_spec import Top, param_name_dict, to_proto
from caffelike.schema import NetParameter, text


def lenet(batch):
    n = NetSpec()
    n.data, n.label = L.DummyData(
        shape=[{"dim": [batch, 1, 28, 28]}, {"dim": [batch, 1, 1, 1]}], transform_param={"scale": 1 / 255}, ntop=2
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler={"type": "xavier"})
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=10, param=[{"lr_mult": 1}, {"lr_mult": 2}])
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    return n.to_proto()


def test_a_net_reads_as_it_was_written():
    net = lenet(50)
    assert [layer.name for layer in net.layer] == ["data", "conv1", "pool1", "ip1", "relu1", "loss"]
    assert list(net.layer[0].top) == ["data", "label"]
    assert net.layer[0].transform_param.scale == pytest.approx(1 / 255)
    assert list(net.layer[1].convolution_param.kernel_size) == [5]
    assert net.layer[1].convolution_param.weight_filler.type == "xavier"
    assert [spec.lr_mult for spec in net.layer[3].param] == [1, 2]
    assert list(net.layer[4].top) == list(net.layer[4].bottom) == ["ip1"]
    assert list(net.layer[5].bottom) == ["ip1", "label"]
    assert text.parse(text.format(net), NetParameter).message == net


def test_a_written_net_can_be_built():
    net = caffelike.Net.build(lenet(2), caffelike.TRAIN)
    assert net.blobs["ip1"].shape == (2, 10)


def test_tops_without_a_name_get_one_by_type():
    data = L.Input(input_param={"shape": {"dim": [1, 2]}})
    a, b = L.Split(data, ntop=2)
    net = to_proto(L.ReLU(L.ReLU(a)), L.Eltwise(a, b, operation=P.Eltwise.MAX))
    assert [layer.name for layer in net.layer] == ["Input1", "Split1", "ReLU1", "ReLU2", "Eltwise1"]
    assert list(net.layer[1].top) == ["Split1", "Split2"]
    assert net.layer[4].eltwise_param.operation == P.Eltwise.MAX


def test_names_with_slashes_and_layers_without_tops():
    n = NetSpec()
    n["data"] = L.Input(shape={"dim": [1, 2]})
    n["inception/relu"] = L.ReLU(n["data"], name="act")
    n.silence = L.Silence(n["inception/relu"], ntop=0)
    net = n.to_proto()
    assert [layer.name for layer in net.layer] == ["data", "act", "silence"]
    assert list(net.layer[1].top) == ["inception/relu"]
    assert list(net.layer[2].top) == []


def test_a_top_writes_what_it_depends_on():
    data = L.Input(shape={"dim": [1, 2]})
    assert isinstance(data, Top)
    assert [layer.type for layer in L.TanH(data).to_proto().layer] == ["Input", "TanH"]


def test_mistakes_are_named():
    with pytest.raises(TypeError, match=r"ReLU input 0 is not a Top \(type is <class 'str'>\)"):
        L.ReLU("data")
    with pytest.raises(CaffelikeError, match=r"L\.ReLU: neither the layer nor its parameters have a field 'slope'"):
        L.ReLU(L.Input(), slope=1).to_proto()
    with pytest.raises(CaffelikeError, match=r"have a field 'num_outputs'\. Did you mean num_output"):
        L.Convolution(L.Input(), num_outputs=1).to_proto()
    with pytest.raises(CaffelikeError, match=r"L\.Convolutio: no layer type .* did you mean L\.Convolution"):
        L.Convolutio(L.Input(), num_output=1).to_proto()
    with pytest.raises(AttributeError, match="no top 'x'; it has none"):
        _ = NetSpec().x
    with pytest.raises(AttributeError, match="no NoSuchParameter"):
        _ = P.NoSuch


def test_types_whose_parameters_have_names_of_their_own():
    names = param_name_dict()
    assert (names["InnerProduct"], names["LRN"], names["PReLU"], names["BatchNorm"]) == (
        "inner_product",
        "lrn",
        "prelu",
        "batch_norm",
    )

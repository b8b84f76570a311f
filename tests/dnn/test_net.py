"""caffelike.dnn's nets beside OpenCV's own."""

import re

import numpy as np
import pytest

import caffelike
from caffelike import dnn, hub

cv2 = pytest.importorskip("cv2")

NET = """name: "small"
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "conv" type: "Convolution" bottom: "data" top: "convblob"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "convblob" top: "convblob" }
layer { name: "drop" type: "Dropout" bottom: "convblob" top: "convblob" }
layer { name: "slice" type: "Slice" bottom: "convblob" top: "a" top: "b" slice_param { axis: 1 } }
layer { name: "silence" type: "Silence" bottom: "b" }
layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
layer { name: "side" type: "Pooling" bottom: "convblob" top: "sideblob" pooling_param { kernel_size: 2 } }
"""


def with_weights(folder, text, seed=0, heads=1.0):
    """(prototxt, caffemodel) of a net with random weights that keep values of about one.

    heads: a factor for the weights of a detector's heads.
    """
    prototxt, model = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    net = caffelike.Net(prototxt, caffelike.TEST)
    generator = np.random.default_rng(seed)
    for name, blobs in net.params.items():
        kind = net.layer_dict[name].type
        for i, blob in enumerate(blobs):
            values = generator.standard_normal(blob.shape).astype(np.float32)
            if kind == "BatchNorm":
                values = (values * 0.1, 1 + np.abs(values), np.ones_like(values))[i]
            elif kind == "Scale":
                values = values * 0.1 + (1 - i)
            elif kind == "PReLU":
                values = 0.25 + values * 0.1
            else:
                values *= (2 / max(1, blob.count // blob.shape[0])) ** 0.5 if i == 0 else 0.1
                values *= heads if "_mbox_" in name else 1
            blob.data[...] = values
    net.save(model)
    net.close()
    return str(prototxt), str(model)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The small net as OpenCV's and as ours."""
    files = with_weights(tmp_path_factory.mktemp("small"), NET)
    return cv2.dnn.readNetFromCaffe(*files), dnn.readNetFromCaffe(*files)


def close(got, wanted):
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_names_and_numbers(pair):
    theirs, ours = pair
    for question in ("getLayerNames", "getUnconnectedOutLayersNames", "getLayerTypes", "empty"):
        assert getattr(ours, question)() == getattr(theirs, question)()
    assert np.array_equal(ours.getUnconnectedOutLayers(), theirs.getUnconnectedOutLayers())
    for name in (*theirs.getLayerNames(), "_input", "nonsense"):
        assert ours.getLayerId(name) == theirs.getLayerId(name)
    for number in range(len(theirs.getLayerNames()) + 1):
        got, wanted = ours.getLayer(number), theirs.getLayer(number)
        assert got.name == wanted.name
        assert [b.shape for b in got.blobs] == [b.shape for b in wanted.blobs]
    assert np.array_equal(ours.getParam("ip", 0), theirs.getParam("ip", 0))
    assert all(ours.getLayersCount(kind) == theirs.getLayersCount(kind) for kind in ("Convolution", "Softmax", "LRN"))
    assert dnn.Net().empty()


def test_parameters_and_shapes_set_by_hand(tmp_path):
    files = with_weights(tmp_path, NET)
    nets = [cv2.dnn.readNetFromCaffe(*files), dnn.readNetFromCaffe(*files)]
    for net in nets:
        net.setParam("convblob", 0, np.abs(net.getParam("convblob", 0)) * 2)
        net.setInput(np.linspace(-1, 1, 384, dtype=np.float32).reshape(2, 3, 8, 8))
    close(nets[1].forward("prob"), nets[0].forward("prob"))
    nets[1].setInputShape("data", (5, 3, 8, 8))
    assert nets[1].forward().shape[0] == 5
    with pytest.raises(dnn.error, match=r"Parameter 0 of layer 'ip' has 360 values \(5, 72\), not 3"):
        nets[1].setParam("ip", 0, np.zeros(3))


def test_what_only_opencv_has_is_named():
    with pytest.raises(AttributeError, match=r"has no readNetFromONNX: .* keep OpenCV's own"):
        _ = dnn.readNetFromONNX
    assert not hasattr(dnn, "_private")


def test_outputs_by_name_names_and_none(pair):
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    for net in pair:
        net.setInput(x)
    theirs, ours = pair
    for name in theirs.getLayerNames():  # the convolution before the ReLU that overwrites it among them
        close(ours.forward(name), theirs.forward(name))
    assert (ours.forward("convblob") < 0).any()
    close(ours.forward("conv"), theirs.forward("convblob"))  # by Caffe's name, too
    close(ours.forward(), theirs.forward())
    names = ["prob", "convblob", "relu", "side"]
    for got, wanted in zip(ours.forward(names), theirs.forward(names), strict=True):
        close(got, wanted)
    outputs = ours.forward(ours.getUnconnectedOutLayersNames())
    assert isinstance(outputs, tuple)
    assert [part.shape for part in ours.forwardAndRetrieve(["slice"])[0]] == [(2, 2, 6, 6)] * 2
    kept = ours.forward("prob")
    before = kept.copy()
    ours.setInput(-x)
    ours.forward("prob")
    assert np.array_equal(kept, before)


def test_inputs_of_any_size_with_mean_and_scale(pair):
    x = np.random.default_rng(2).random((3, 3, 8, 8)).astype(np.float32)
    for net in pair:
        net.setInput(x, "data", 0.5, (0.1, 0.2, 0.3))
    close(pair[1].forward("convblob"), pair[0].forward("convblob"))
    for net in pair:
        net.setInput(x[:1])
    close(pair[1].forward(), pair[0].forward())


def test_times(pair):
    ours = pair[1]
    ours.setInput(np.zeros((1, 3, 8, 8), np.float32))
    ours.forward()
    total, times = ours.getPerfProfile()
    assert total > 0
    assert times.shape == (8,)
    assert (times[:-1] > 0).all()
    ours.forward("relu")
    assert not ours.getPerfProfile()[1][2:].any()
    with pytest.raises(dnn.error, match="call forward first"):
        dnn.readNetFromCaffe(NET.encode()).getPerfProfile()


def test_buffers_and_either_order(tmp_path, pair):
    prototxt, model = with_weights(tmp_path, NET)
    x = np.ones((1, 3, 8, 8), np.float32)
    with open(prototxt, "rb") as text, open(model, "rb") as weights:
        buffers = text.read(), weights.read()
    nets = [
        dnn.readNetFromCaffe(*buffers),
        dnn.readNetFromCaffe(*(np.frombuffer(b, np.uint8) for b in buffers)),
        dnn.readNet(model, prototxt),
        dnn.readNet(prototxt, model, "Caffe"),
        pair[1],
    ]
    for net in nets:
        net.setInput(x)
        np.testing.assert_array_equal(net.forward(), nets[0].forward())


def test_mistakes(pair, tmp_path, caplog):
    ours = pair[1]
    for call, message in (
        (lambda: ours.forward("prop"), 'Requested layer "prop" not found; did you mean prob or drop?'),
        (lambda: ours.forward("nonsense"), 'Requested layer "nonsense" not found; the layers are convblob, relu'),
        (lambda: ours.setInput(np.zeros(3), "q"), 'Requested blob "q" not found: the inputs are data'),
        (lambda: ours.setInput(np.zeros((3, 8, 8))), "another number of axes"),
        (lambda: ours.getLayer(99), '"99" not found'),
        (lambda: ours.getParam("ip", 2), "has 2 parameters"),
        (lambda: dnn.Net().forward(), "This net is empty"),
        (lambda: dnn.readNet("yolo.onnx"), "neither yolo.onnx"),
        (lambda: dnn.readNet("a.prototxt", framework="torch"), "framework is 'caffe'"),
        (lambda: dnn.readNetFromCaffe(str(tmp_path / "none.prototxt")), "Could not open file"),
        (lambda: dnn.readNetFromCaffe(b"layer { nme: 1 }"), "<buffer>:1:9"),
        (lambda: dnn.readNetFromCaffe(NET.encode(), b"rubbish"), "<buffer>"),
        (lambda: dnn.readNetFromCaffe(3), "is a path, bytes"),
        (lambda: dnn.readNetFromCaffe(np.zeros(3)), "uint8, not of float64"),
    ):
        with pytest.raises(dnn.error, match=re.escape(message)):
            call()
    caplog.clear()
    ours.setPreferableBackend(dnn.DNN_BACKEND_OPENCV)
    ours.setPreferableTarget(dnn.DNN_TARGET_CPU)
    ours.enableFusion(False)
    ours.enableWinograd(False)
    assert not caplog.messages
    ours.setPreferableBackend(dnn.DNN_BACKEND_CUDA)
    ours.setPreferableTarget(dnn.DNN_TARGET_CUDA)
    assert len(caplog.messages) == 2
    for name in [n for n in dir(dnn) if n.startswith(("DNN_BACKEND", "DNN_TARGET", "CV_"))]:
        theirs = cv2 if name.startswith("CV_") else cv2.dnn
        assert getattr(dnn, name) == getattr(theirs, name)


# Input sizes that keep it quick; the numbers in the wide layers are cut down.
MODELS = {
    "lenet": (28, "ip2"),
    "caffenet": (227, "fc8"),
    "vgg16": (32, "fc8"),
    "squeezenet": (67, "pool10"),
    "mobilenet_v1": (64, "fc7"),
    "googlenet": (224, "loss3/classifier"),
    "resnet50": (64, "fc1000"),
}


@pytest.mark.parametrize("model", MODELS)
def test_models_give_opencvs_numbers(model, tmp_path):
    size, last = MODELS[model]
    text = (hub.root() / model / "deploy.prototxt").read_text()
    text = re.sub(r"num_output: 4096", "num_output: 48", text)
    if model == "resnet50":
        text = re.sub(r'(name: "pool5"[^}]*kernel_size: )7', r"\g<1>2", text)
    channels = 1 if model == "lenet" else 3
    text = re.sub(r"shape:? \{[^}]*\}", f"shape {{ dim: 1 dim: {channels} dim: {size} dim: {size} }}", text, count=1)
    files = with_weights(tmp_path, text)
    theirs, ours = cv2.dnn.readNetFromCaffe(*files), dnn.readNetFromCaffe(*files)
    assert ours.getLayerNames() == theirs.getLayerNames()
    x = np.random.default_rng(3).standard_normal((1, channels, size, size)).astype(np.float32)
    theirs.setInput(x)
    ours.setInput(x)
    close(ours.forward(), theirs.forward())
    close(ours.forward(last), theirs.forward(last))

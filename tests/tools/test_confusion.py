"""The confusion matrix, on predictions worked out by hand."""

import numpy as np
import pytest

import caffelike
from caffelike.errors import CaffelikeError, DataError
from caffelike.tools import Confusion
from caffelike.tools.confusion import read_names

NET = """
layer {{ name: "d" type: "Input" top: "x" top: "label"
  input_param {{ shape {{ dim: {n} dim: 3 {tail} }} shape {{ dim: {n} {tail} }} }} }}
{layers}
"""
ACCURACY = 'layer {{ name: "{name}" type: "Accuracy" bottom: "x" bottom: "label" top: "{name}" {param} }}'


def make(tmp_path, layers, n=6, tail=""):
    (tmp_path / "net.prototxt").write_text(NET.format(n=n, tail=tail, layers=layers))
    return caffelike.Net(str(tmp_path / "net.prototxt"), caffelike.TEST)


def feed(net, predicted, labels):
    x = np.zeros(net.blobs["x"].data.shape, np.float32)
    np.put_along_axis(x, np.expand_dims(np.array(predicted), 1), 1, 1)
    net.blobs["x"].data[...] = x
    net.blobs["label"].data[...] = labels
    net.forward()


def test_counts_by_hand(tmp_path):
    net = make(tmp_path, ACCURACY.format(name="acc", param=""))
    confusion = Confusion(net, ["cat", "dog", "owl"])
    feed(net, [0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0])
    confusion.add()
    feed(net, [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0])
    confusion.add()
    assert confusion.counts.tolist() == [[3, 3, 0], [2, 4, 0], [0, 0, 0]]
    assert (confusion.total, confusion.accuracy, confusion.layer) == (12, 7 / 12, "acc")
    np.testing.assert_equal(confusion.per_class, [3 / 6, 4 / 6, np.nan])
    np.testing.assert_equal(confusion.precision, [3 / 5, 4 / 7, np.nan])
    assert confusion.mistakes() == [(0, 1, 3), (1, 0, 2)]
    written = confusion.write(tmp_path / "new" / "report")
    assert [path.name for path in written][:2] == ["classes.csv", "confusion.csv"]
    assert written[0].read_text().splitlines()[:2] == [
        "class,name,records,right,accuracy,precision",
        "0,cat,6,3,0.5,0.6",
    ]
    assert written[1].read_text() == "label,cat,dog,owl\ncat,3,3,0\ndog,2,4,0\nowl,0,0,0\n"


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    net = make(tmp_path, ACCURACY.format(name="acc", param=""))
    confusion = Confusion(net)
    assert confusion.write(tmp_path)[-1].read_bytes().startswith(b"\x89PNG")  # of nothing at all
    feed(net, [0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 0, 2])
    confusion.add()
    assert confusion.write(tmp_path)[-1].read_bytes().startswith(b"\x89PNG")


def test_the_last_accuracy_layer_counts_places_that_are_not_ignored(tmp_path):
    layers = ACCURACY.format(name="a", param="") + ACCURACY.format(name="b", param="accuracy_param { ignore_label: 2 }")
    net = make(tmp_path, layers, n=1, tail="dim: 2 dim: 2")
    confusion = Confusion(net)
    feed(net, [[[0, 1], [1, 0]]], [[[0, 2], [1, 1]]])
    confusion.add()
    assert confusion.layer == "b"
    assert confusion.counts.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_a_softmax_loss_will_do(tmp_path):
    net = make(tmp_path, 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "l" }')
    confusion = Confusion(net)
    feed(net, [0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 1, 2])
    confusion.add()
    assert confusion.accuracy == 1


def test_what_cannot_be_reported(tmp_path):
    with pytest.raises(CaffelikeError, match="neither an Accuracy nor a SoftmaxWithLoss layer"):
        Confusion(make(tmp_path, 'layer { name: "s" type: "Silence" bottom: "x" bottom: "label" }'))
    (tmp_path / "names").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="3 classes, but only 2 names"):
        Confusion(make(tmp_path, ACCURACY.format(name="a", param="")), read_names(tmp_path / "names"))

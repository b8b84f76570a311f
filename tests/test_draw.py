import io
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest
from google.protobuf import text_format
from PIL import Image

from caffelike import draw, hub
from caffelike.errors import CaffelikeError
from caffelike.proto import caffe_pb2

NET = """name: "tiny"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 7 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
        convolution_param { num_output: 5 kernel_h: 3 kernel_w: 1 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip<1>" inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip<1>" bottom: "label" top: "loss" exclude { phase: TEST } }
"""


@pytest.fixture(autouse=True)
def without_graphviz(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def net():
    return text_format.Parse(NET, caffe_pb2.NetParameter())


def test_labels(net):
    data, conv, relu, pool, *_ = net.layer
    assert draw.get_edge_label(data) == "Batch 7"
    assert [draw.get_edge_label(layer) for layer in (conv, relu, net.layer[4])] == ["5", '""', "4"]
    assert draw.get_layer_label(conv, "TB", True) == (
        '"conv (Convolution) kernel size: 3x1 stride: 2 pad: 0 lr mult: 1.0, 2.0"'
    )
    assert draw.get_layer_label(pool, "LR") == '"pool\\n(Pooling AVE)\\nkernel size: 2\\nstride: 1\\npad: 0"'
    assert list(draw.get_pooling_types_dict().items())[:3] == [(0, "MAX"), (1, "AVE"), (2, "STOCHASTIC")]
    with pytest.raises(CaffelikeError, match="ReLU layers do not have"):
        draw.get_layer_lr_mult(relu)


def test_graphviz_text(net):
    text = draw.draw_net(net, "LR", "dot").decode()
    nodes = dict(re.findall(r'^"([^"]+)" \[label="([^"]+)"', text, re.MULTILINE))
    assert nodes["pool_Pooling"].startswith("pool\\n(Pooling AVE)")
    assert re.findall(r'^"(\S+)" -> "(\S+)" \[label="([^"]*)"\]', text, re.MULTILINE)[:4] == [
        ("data_Data", "data_blob", "Batch 7"),
        ("data_Data", "label_blob", "Batch 7"),
        ("data_blob", "conv_Convolution", ""),
        ("conv_Convolution", "conv_blob", "5"),
    ]
    assert text.startswith('digraph "tiny" {\nrankdir=LR;')


def test_layers_of_one_phase(net):
    names = lambda phase: {n for n in draw.make_graph(net, phase=phase).nodes if "_blob" not in n}  # noqa: E731
    assert names(caffe_pb2.TRAIN) == names(None)
    assert names(None) - names(caffe_pb2.TEST) == {"data_Data", "loss_SoftmaxWithLoss"}


@pytest.mark.parametrize("rankdir", ["LR", "TB", "BT"])
def test_own_drawing_shows_every_node_and_edge(net, rankdir):
    root = ElementTree.fromstring(draw.draw_net(net, rankdir, "svg"))
    tag = "{http://www.w3.org/2000/svg}"
    boxes = [r for r in root.iter(f"{tag}rect") if r.get("x")]
    assert len(boxes) == 6 + 6
    assert len(list(root.iter(f"{tag}polyline"))) == 13 - 1  # the in-place layer's two edges are one with two heads
    assert sum(line.get("marker-start") is not None for line in root.iter(f"{tag}polyline")) == 1
    spans = [[float(b.get(k)) for k in ("x", "y", "width", "height")] for b in boxes]
    for i, (x, y, w, h) in enumerate(spans):
        assert min(x, y) >= 0
        assert x + w <= float(root.get("width"))
        assert y + h <= float(root.get("height"))
        assert not any(x < p + r and p < x + w and y < q + s and q < y + h for p, q, r, s in spans[:i])
    label = next(t for t in root.iter(f"{tag}text") if t.text == "ip<1>")
    assert label is not None


def test_pictures_and_files(net, tmp_path, monkeypatch):
    for name in ("net.png", "net.JPG"):
        draw.draw_net_to_file(net, tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 600
    with Image.open(io.BytesIO(draw.draw_net(net, "TB"))) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert {(255, 80, 80), (144, 238, 144), (224, 224, 224), (255, 153, 0), (204, 51, 255)} <= colors
    monkeypatch.setattr(draw, "_LARGEST", 300)
    with Image.open(io.BytesIO(draw.draw_net(net, "LR"))) as picture:
        assert picture.size[0] == 301
    with pytest.raises(CaffelikeError, match=r"drawn as svg, png.*Install Graphviz"):
        draw.draw_net_to_file(net, tmp_path / "net.xyz")
    with pytest.raises(CaffelikeError, match="rankdir is one of"):
        draw.draw_net(net, "UP")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.JPG", "net.png"]


def test_graphviz_is_used_where_it_is(net, tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n[ "$1" = -Tgif ] && exec cat\necho "no such format" >&2; exit 3\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    assert draw.draw_net(net, "LR", "gif") == draw.draw_net(net, "LR", "raw")
    with pytest.raises(CaffelikeError, match="Graphviz cannot draw this as ps: no such format"):
        draw.draw_net(net, "LR", "ps")


def test_pydot_has_the_same_graph(net):
    pydot = pytest.importorskip("pydot")
    dot = draw.get_pydot_graph(net, "LR", label_edges=False)
    assert isinstance(dot, pydot.Dot)
    assert (len(dot.get_nodes()), len(dot.get_edges())) == (12, 13)
    assert not any("Batch" in edge.to_string() for edge in dot.get_edges())


def test_old_definitions_and_long_ways():
    old = caffe_pb2.NetParameter()
    text_format.Parse(
        'input: "x" input_dim: 1 input_dim: 1 input_dim: 2 input_dim: 2 layers { name: "c" '
        'type: CONVOLUTION bottom: "x" top: "c" convolution_param { num_output: 3 } }',
        old,
    )
    assert "c_Convolution" in draw.make_graph(old).nodes
    assert old.layers  # the caller's own is not touched
    text = (hub.root() / "resnet50" / "deploy.prototxt").read_text()
    svg = draw.draw_net(text_format.Parse(text, caffe_pb2.NetParameter()), "TB", "svg").decode()
    points = [len(p.split()) for p in re.findall(r'points="([^"]+)"', svg)]
    assert max(points) > 5  # the shortcuts go around the blocks

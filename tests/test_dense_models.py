"""Models that label every pixel: their definitions, their counts, and narrow forms that learn.

That published weights find their places in them is test_detectors.py's matter, which compares all recorded shapes.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike import hub
from caffelike.coord_map import crop
from caffelike.schema import text
from caffelike.schema.weights import WeightsFile
from caffelike.summary import describe

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MODELS = {  # parameters; shapes of data and of what comes out
    "deeplab_largefov": (20_505_429, (1, 3, 513, 513), {"fc7": (1, 1024, 65, 65), "fc8_interp": (1, 21, 513, 513)}),
    "fcn16s": (134_815_994, (1, 3, 500, 500), {"score": (1, 21, 500, 500)}),
    "fcn32s": (136_152_917, (1, 3, 500, 500), {"score": (1, 21, 500, 500)}),
    "fcn8s": (134_489_759, (1, 3, 500, 500), {"score": (1, 21, 500, 500)}),
    "hed": (14_717_535, (1, 3, 500, 500), {"sigmoid-dsn5": (1, 1, 500, 500), "sigmoid-fuse": (1, 1, 500, 500)}),
    "pspnet50": (46_841_174, (1, 3, 473, 473), {"conv5_3_pool6": (1, 2048, 6, 6), "conv6_interp": (1, 150, 473, 473)}),
    "segnet": (29_449_355, (1, 3, 360, 480), {"pool5": (1, 512, 12, 15), "prob": (1, 11, 360, 480)}),
    "unet": (31_100_354, (1, 1, 572, 572), {"conv_d4b-c": (1, 1024, 28, 28), "prob": (1, 2, 388, 388)}),
}
CLASSES = 4
SMALL = {  # arguments of each model's `net` for what learns in a second
    "deeplab_largefov": {"widths": (4, 4, 8, 8, 8), "full": 16, "size": 41},
    "fcn16s": {"widths": (4, 4, 8, 8, 8), "full": 16},
    "fcn32s": {"widths": (4, 4, 8, 8, 8), "full": 16},
    "fcn8s": {"widths": (4, 4, 8, 8, 8), "full": 16},
    "hed": {"widths": (4, 4, 8, 8, 8), "classes": 1},
    "pspnet50": {"width": 4, "blocks": (1, 1, 1, 1), "size": 41},
    "segnet": {"widths": (4, 4, 8, 8, 8), "size": 36},
    "unet": {"widths": (4, 8, 8, 8, 8), "channels": 3, "pad": 1, "last": 4},
}


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(hub.root()))


def definition(model):
    """`net` of a model, and what makes a built net ready to learn."""
    if model.startswith("fcn"):
        fcn = importlib.import_module("fcn")
        return lambda **options: fcn.net(model, **options), fcn.begin
    return importlib.import_module("learning").define(model).net, lambda net: None


@pytest.mark.parametrize("model", MODELS)
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, hub.find(model) / "define.py", "--check"], check=True)


@pytest.mark.parametrize("model", MODELS)
def test_counts_and_both_phases(model):
    folder, (parameters, data, tops) = hub.find(model), MODELS[model]
    deploy = describe(folder / "deploy.prototxt")
    shapes = {top: shape for row in deploy.layers for top, shape in row.tops.items()}
    assert shapes["data"] == data
    assert {top: shapes[top] for top in tops} == tops
    assert deploy.totals["parameters"] == parameters
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in deploy.totals.values():
        assert f"{value:,}" in readme
    own = {row.name: row.parameters for row in deploy.layers if row.parameters}
    label = tops.get("score", tops.get("prob", data))[2:]
    for phase in (caffelike.TRAIN, caffelike.TEST):
        built = describe(folder / "train_val.prototxt", phase, {"data": data, "label": (1, 1, *label)})
        found = {row.name: row.parameters for row in built.layers if row.parameters}
        assert own == {
            name: count for name, count in found.items() if not name.startswith("aux")
        }  # PSPNet's second head
        assert any("Loss" in row.type for row in built.layers)
    solver = text.read_solver(folder / "solver.prototxt").message
    assert (folder / solver.net).is_file()
    assert solver.max_iter % solver.test_interval == 0


def pictures(count, side):
    """data (count, 3, side, side) with a bright square of one of the channels, and the label of each pixel."""
    rng = np.random.default_rng(0)
    data, label = rng.normal(0, 0.1, (count, 3, side, side)), np.zeros((count, 1, side, side))
    for i in range(count):
        y, x = rng.integers(0, side // 2, 2)
        kind, where = i % 3, np.s_[y : y + side // 2, x : x + side // 2]
        data[i, kind][where] += 2
        label[i, 0][where] = kind + 1
    return data, label


def solver_of(net, **fields):
    """A solver of Adam for a net in memory."""
    param = caffelike.schema.message_class("SolverParameter")()
    param.type, param.base_lr, param.momentum, param.momentum2 = "Adam", 0.003, 0.9, 0.999
    param.lr_policy, param.random_seed = "fixed", 1
    param.net_param.CopyFrom(net)
    return caffelike.get_solver(param)


@pytest.mark.parametrize("model", SMALL)
def test_narrow_form_learns(model):
    net, begin = definition(model)
    options = {"classes": CLASSES, "size": 32} | SMALL[model]
    run = solver_of(net(train=True, batch=3, **options))
    begin(run.net)
    data, label = pictures(3, options["size"])
    run.net.blobs["data"].data[...] = data
    run.net.blobs["label"].data[...] = np.minimum(label, options["classes"] if model == "hed" else label)
    losses = []
    for _ in range(25):
        run.step(1)
        losses.append(run.smoothed_loss)
    assert np.isfinite(losses).all()
    left = 0.96 if model == "hed" else 0.8  # what scores HED's depths learns at a hundredth of the rate
    assert np.mean(losses[-3:]) < left * losses[0]
    deploy = caffelike.Net.build(net(train=False, batch=3, **options), caffelike.TEST)
    deploy.share_with(run.net)
    for score in deploy.forward(data=data).values():
        assert score.shape == (3, options["classes"], options["size"], options["size"])
        assert np.isfinite(score).all()


def test_segnet_folds_the_statistics_of_its_images():
    """On the very images whose statistics were folded, both forms of the net say the same."""
    segnet = importlib.import_module("learning").define("segnet")
    options = {"classes": 3, "size": 36, "batch": 2, "widths": (2, 2, 3, 3, 3)}
    learned = caffelike.Net.build(segnet.net(train=False, folded=False, **options), caffelike.TEST)
    for name, blobs in learned.params.items():
        if name.endswith("_bn"):
            blobs[0].data[...] = np.linspace(0.5, 2, blobs[0].count).reshape(blobs[0].shape)
    deploy = caffelike.Net.build(segnet.net(train=False, **options), caffelike.TEST)
    data, _ = pictures(2, 36)
    segnet.fold(learned, deploy, [data], **options)
    want = learned.forward(data=data)["prob"].copy()
    assert np.ptp(want, axis=1).max() > 0.1
    np.testing.assert_allclose(deploy.forward(data=data)["prob"], want, atol=1e-4)


@pytest.mark.parametrize("model", ["fcn16s", "fcn32s", "fcn8s"])
def test_fcn_crops_where_the_maps_fit(model):
    """The offsets are those that caffelike.coord_map finds."""
    tops, compared = {}, 0
    for layer in text.read_net(hub.find(model) / "deploy.prototxt").message.layer:
        bottoms = [tops[bottom] for bottom in layer.bottom]
        if layer.type == "Crop":
            found = crop(*bottoms).fn.params["crop_param"]["offset"]
            assert {int(offset) for offset in found} == set(layer.crop_param.offset)
            compared += 1
        reach = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
        options = {field.name: value for field, value in reach.ListFields() if field.name in ("kernel_size", "stride")}
        options |= {"pad": reach.pad or 0, "offset": list(layer.crop_param.offset) or 0}
        tops[layer.top[0]] = getattr(caffelike.layers, layer.type)(*bottoms, **options)
    assert compared == len(importlib.import_module("fcn").SKIPS[model]) + 1


def test_fcn_begins_with_what_a_classifier_knows():
    fcn = importlib.import_module("fcn")
    sizes = {"size": 32, "classes": 2, "widths": (2, 2, 2, 2, 2), "full": 3}
    net = caffelike.Net.build(fcn.net("fcn32s", train=False, **sizes), caffelike.TEST)

    class Layer:
        def __init__(self, name, *arrays):
            self.name, self.blobs = name, [type("Blob", (), {"count": a.size, "data": a}) for a in arrays]

    full = np.arange(3 * 2 * 49, dtype=np.float32).reshape(3, 98)
    fc8 = np.ones((1000, 3), np.float32)
    weights = WeightsFile("made", "VGG", [Layer("fc6", full, np.ones(3, np.float32)), Layer("fc8", fc8)], 2, None)
    fcn.begin(net, weights)
    assert np.array_equal(net.params["fc6"][0].data, full.reshape(3, 2, 7, 7))
    assert net.params["fc6"][1].data.tolist() == [1, 1, 1]
    kernel = net.params["upscore"][0].data
    assert not kernel[0, 1].any()
    assert kernel[0, 0].sum() == pytest.approx(32 * 32)  # every pixel is given 32 x 32 times
    assert fcn.bilinear(4)[0].tolist() == pytest.approx(np.array([0.25, 0.75, 0.75, 0.25]) * 0.25)

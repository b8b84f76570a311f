"""models/: detectors that look at regions. Published layers, current definitions, and narrow forms that learn."""

import importlib
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import hub
from caffelike.data.roidb import set_roidb
from caffelike.schema import text
from caffelike.solvers import get_solver
from caffelike.summary import build_without_data, summarize

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = json.loads((ROOT / "tests" / "golden" / "two_stage.json").read_text())
DETECTORS = ["fast_rcnn_vgg16", "faster_rcnn_vgg16", "faster_rcnn_zf", "rfcn_resnet50"]
MODELS = [*DETECTORS, "mask_rcnn", "rcnn_caffenet"]
FILES = [*((model, "") for model in MODELS), ("mask_rcnn", "keypoints_")]
SIDE, CLASSES = 64, 4
SMALL = {  # what makes the published sizes narrow
    "classes": CLASSES,
    "share": 1 / 16,
    "blocks": (1, 1, 1, 1),
    "hidden": 24,
    "still": False,
    "side": (SIDE, SIDE),
    "scales": (1.25, 2.5),
    "ratios": (1.0,),
    "data": {"scales": [SIDE], "max_size": SIDE},
    "proposals": {"post_nms_top_n": 24, "min_size": 4},
    "regions": {"batch_size": 32},
}


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))


def narrow(model, train, **changes):
    """A narrow form of the model's definition."""
    module = importlib.import_module("learning").define(model)
    return module.net(train, module.two_stage.Form(**SMALL | changes))


def records():
    """Two images with a bright and a dark square, and some regions that are none."""
    rng = np.random.default_rng(3)
    found = []
    for boxes in (((4, 6, 29, 31), (36, 30, 61, 55)), ((10, 34, 33, 57), (38, 4, 59, 25))):
        image = rng.integers(100, 150, (SIDE, SIDE, 3), np.uint8)
        for (x1, y1, x2, y2), shade in zip(boxes, (250, 10), strict=True):
            image[y1 : y2 + 1, x1 : x2 + 1] = shade
        corners = rng.integers(0, SIDE - 24, (20, 2))
        regions = np.concatenate([corners, corners + rng.integers(12, 24, (20, 2))], axis=1)
        boxes = np.concatenate([boxes, np.add(boxes, 2), np.subtract(boxes, 2), regions])
        found.append({"image": image, "boxes": boxes, "gt_classes": [1, 3] + [0] * (len(boxes) - 2)})
    return found


@pytest.mark.parametrize("model", MODELS)
def test_definitions_are_what_their_scripts_give(model, monkeypatch):
    script = hub.find(model) / "define.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--check"])
    runpy.run_path(str(script), run_name="__main__")


def parameters(net):
    """Their shapes by the names of their layers."""
    return {name: [list(blob.shape) for blob in blobs] for name, blobs in net.params.items()}


@pytest.mark.parametrize(("model", "kind"), FILES)
def test_full_size(model, kind):
    """Layers are called as published, in that order, with parameters of those shapes; the counts are told."""
    folder = hub.find(model)
    deploy = build_without_data(folder / f"{kind}deploy.prototxt", caffelike.TRAIN)
    shapes = parameters(deploy)
    if model == "mask_rcnn":  # its residual net alone is published with these names
        body = {n: s for n, s in PUBLISHED["rfcn_resnet50"].items() if n.startswith(("conv1", "bn", "scale", "res"))}
        assert len(body) == 159
        assert body.items() <= shapes.items()
    else:
        assert list(shapes.items()) == list(PUBLISHED[model].items())
    readme = (folder / "README.md").read_text(encoding="utf-8")
    totals = summarize(deploy).totals
    for column in ("parameters", "macs"):
        assert f"{totals[column]:,}" in readme


OPTIONS = ("convolution_param", "inner_product_param", "batch_norm_param", "scale_param")


@pytest.mark.parametrize(("model", "kind"), FILES)
def test_what_is_trained_is_what_is_used(model, kind):
    """Layer by layer, at full size too; narrow forms of both are built below."""
    assert text.read_solver(hub.find(model) / f"{kind}solver.prototxt").message.net == f"{kind}train.prototxt"
    deploy, train = (
        {layer.name: layer for layer in text.read_net(hub.find(model) / f"{kind}{name}.prototxt").message.layer}
        for name in ("deploy", "train")
    )
    learnt = [name for name, layer in deploy.items() if any(layer.HasField(field) for field in OPTIONS)]
    assert len(learnt) > 7
    for name in set(learnt) - {"fc-rcnn"}:  # support vector machines; what is trained is a softmax
        for field in OPTIONS:
            assert getattr(deploy[name], field) == getattr(train[name], field), name


def test_weights_published_for_rcnn_go_by_two_names():
    assert hub.find("bvlc_reference_rcnn_ilsvrc13") == hub.find("rcnn_caffenet")


def solver(model, net, **changes):
    """The model's solver for another net."""
    param = text.read_solver(hub.find(model) / "solver.prototxt").message
    assert (hub.find(model) / param.net).is_file()
    param.ClearField("net")
    param.net_param.CopyFrom(net)
    param.type, param.base_lr, param.momentum, param.lr_policy, param.iter_size = "Adam", 0.003, 0.9, "fixed", 1
    param.random_seed, param.display, param.snapshot, param.test_interval = 1, 0, 0, 0
    del param.test_iter[:]
    return get_solver(param)


def learned(run, iterations):
    """The sum of the losses in each iteration."""
    losses = []
    for _ in range(iterations):
        run.step(1)
        losses.append(sum(float(run.net.blobs[name].data) for name in run.net.outputs if "loss" in name))
    assert np.isfinite(losses).all()
    return losses


@pytest.mark.parametrize("model", DETECTORS)
def test_it_learns(model):
    run = solver(model, narrow(model, True))
    set_roidb(run, records())
    losses = learned(run, 25)
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6])


@pytest.mark.parametrize("model", DETECTORS)
def test_every_form_runs_in_both_phases(model):
    deploy = narrow(model, False)
    for phase in (caffelike.TRAIN, caffelike.TEST):
        train = caffelike.Net.build(narrow(model, True), phase)
        set_roidb(train, records())
        train.forward()
        net = caffelike.Net.build(deploy, phase)
        assert parameters(train) == parameters(net)
        inputs = {name: np.zeros(net.blobs[name].shape, np.float32) for name in net.inputs}
        inputs["data"] += np.random.default_rng(0).uniform(-100, 100, inputs["data"].shape).astype(np.float32)
        if "im_info" in inputs:
            inputs["im_info"][...] = (SIDE, SIDE, 1)
        net.forward(**inputs)
        prob = net.blobs["cls_prob"].data
        prob = prob.reshape(len(prob), -1)
        assert prob.shape == (net.blobs["rois"].shape[0], CLASSES)
        np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)


def test_rcnn_learns_from_windows_and_detects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = []
    for i, record in enumerate(records()):
        Image.fromarray(record["image"][:, :, ::-1]).save(f"{i}.png")
        rows = [f"{kind} {float(kind > 0)} " + " ".join(map(str, box))
                for kind, box in zip(record["gt_classes"], record["boxes"], strict=True)]  # fmt: skip
        lines += [f"# {i}", f"{i}.png", "3", str(SIDE), str(SIDE), str(len(rows)), *rows]
    for part in ("train", "val"):
        Path(f"window_file_{part}.txt").write_text("\n".join(lines) + "\n")
    define = importlib.import_module("learning").define("rcnn_caffenet")
    small = {"side": 67, "classes": CLASSES - 1, "share": 1 / 16, "hidden": 24}
    net = define.net(True, **small)
    for layer in net.layer[:2]:
        layer.window_data_param.batch_size = 16
    run = solver("rcnn_caffenet", net)
    losses = learned(run, 25)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    test_net = caffelike.Net.build(net, caffelike.TEST)
    assert 0 <= test_net.forward()["accuracy"] <= 1
    test_net.close()
    run.net.save("trained.caffemodel")
    Path("deploy.prototxt").write_text(str(define.net(False, **small)))
    detector = caffelike.Detector("deploy.prototxt", "trained.caffemodel", raw_scale=255, context_pad=16)
    np.testing.assert_array_equal(detector.params["fc7"][0].data, run.net.params["fc7"][0].data)
    found = detector.detect_windows([("0.png", [(6, 4, 32, 30), (20, 20, 50, 50)])])
    assert [d["prediction"].shape for d in found] == [(CLASSES - 1,)] * 2
    run.close()
